//! From logits to a token. Pure: the random numbers are its own, drawn from a seed.
//!
//! In the order in which it is usual: bias and penalties, then the log probabilities that are told,
//! then temperature, top-k, top-p (nucleus sampling, arXiv 1904.09751) and min-p (arXiv 2407.01082).

use std::collections::HashMap;

use super::guide::Guide;
use crate::engine::RunError;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 always takes the likeliest.
    pub temperature: f32,
    /// Only the likeliest tokens that together have this probability.
    pub top_p: f32,
    /// Only so many of the likeliest; 0 is all.
    pub top_k: usize,
    /// Only tokens at least this likely, as a part of the likeliest one's probability.
    pub min_p: f32,
    /// The same seed gives the same tokens.
    pub seed: u64,
    /// Taken off for each time that a token was drawn.
    pub frequency_penalty: f32,
    /// Taken off when a token was drawn.
    pub presence_penalty: f32,
    /// Divides the logits of tokens in prompt and answer (multiplies negative ones); 1 is none
    /// (arXiv 1909.05858).
    pub repetition_penalty: f32,
    /// Added to the logits of single tokens.
    pub bias: Vec<(u32, f32)>,
    /// Whether log probabilities are told, with so many alternatives.
    pub logprobs: Option<usize>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: 0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repetition_penalty: 1.0,
            bias: Vec::new(),
            logprobs: None,
        }
    }
}

/// A token that was drawn.
#[derive(Clone, PartialEq)]
pub(super) struct Drawn {
    pub(super) id: u32,
    /// Natural logarithm of its probability; 0 where nobody asked.
    pub(super) logprob: f32,
    /// The likeliest tokens, likeliest first.
    pub(super) alternatives: Vec<(u32, f32)>,
}

/// Draws the tokens of one answer.
pub(super) struct Sampler {
    how: Sampling,
    guide: Option<Guide>,
    random: ChaCha8Rng,
    /// How often each token was drawn.
    drawn: HashMap<u32, u32>,
    /// Tokens of the prompt, where they are penalised too.
    prompt: Vec<u32>,
    logits: Vec<f32>,
    order: Vec<(f32, u32)>,
}

impl Sampler {
    pub(super) fn new(how: Sampling, prompt: &[u32], guide: Option<Guide>) -> Self {
        let penalised = (how.repetition_penalty - 1.0).abs() > f32::EPSILON;
        let mut prompt = if penalised {
            prompt.to_vec()
        } else {
            Vec::new()
        };
        prompt.sort_unstable();
        prompt.dedup();
        Self {
            random: ChaCha8Rng::seed_from_u64(how.seed),
            how,
            guide,
            drawn: HashMap::new(),
            prompt,
            logits: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Notes a token that was drawn elsewhere, as if it had been drawn here.
    ///
    /// # Errors
    /// [`RunError::Format`] when it does not fit the format.
    pub(super) fn took(&mut self, id: u32) -> Result<(), RunError> {
        if let Some(guide) = &mut self.guide {
            guide.took(id)?;
        }
        if self.how.temperature > 0.0 {
            // The number that drew it: the next one is drawn as it would have been there.
            self.random.next_u64();
        }
        self.note(id);
        Ok(())
    }

    /// The next token.
    ///
    /// # Errors
    /// [`RunError::Output`] when the logits hold no number to choose, [`RunError::Format`] when no
    /// token fits the format.
    pub(super) fn draw(&mut self, logits: &[f32]) -> Result<Drawn, RunError> {
        if self.is_plain() {
            let id = likeliest(logits).ok_or(RunError::Output)?;
            self.note(id);
            return Ok(Drawn {
                id,
                logprob: 0.0,
                alternatives: Vec::new(),
            });
        }
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        self.penalise();
        if let Some(guide) = &mut self.guide {
            let allowed = guide.allowed()?;
            let count = allowed.len();
            for (at, logit) in self.logits.iter_mut().enumerate() {
                if at >= count || !allowed.get(at) {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
        let best = likeliest(&self.logits).ok_or(RunError::Output)?;
        let id = if self.how.temperature <= 0.0 {
            best
        } else {
            self.choose(best).ok_or(RunError::Output)?
        };
        if let Some(guide) = &mut self.guide {
            guide.took(id)?;
        }
        let (logprob, alternatives) = self.logprobs(id);
        self.note(id);
        Ok(Drawn {
            id,
            logprob,
            alternatives,
        })
    }

    /// Whether the likeliest token is all that is wanted.
    fn is_plain(&self) -> bool {
        let Sampling {
            temperature,
            frequency_penalty,
            presence_penalty,
            repetition_penalty,
            bias,
            logprobs,
            ..
        } = &self.how;
        let none = |penalty: f32| penalty.abs() <= f32::EPSILON;
        self.guide.is_none()
            && *temperature <= 0.0
            && none(*frequency_penalty)
            && none(*presence_penalty)
            && none(repetition_penalty - 1.0)
            && bias.is_empty()
            && logprobs.is_none()
    }

    fn note(&mut self, id: u32) {
        *self.drawn.entry(id).or_default() += 1;
    }

    fn penalise(&mut self) {
        let Self {
            how,
            drawn,
            prompt,
            logits,
            ..
        } = self;
        let at = |id: u32| usize::try_from(id).unwrap_or(usize::MAX);
        if (how.repetition_penalty - 1.0).abs() > f32::EPSILON {
            let unseen = drawn.keys().filter(|id| prompt.binary_search(id).is_err());
            for id in prompt.iter().chain(unseen) {
                if let Some(logit) = logits.get_mut(at(*id)) {
                    *logit = if *logit > 0.0 {
                        *logit / how.repetition_penalty
                    } else {
                        *logit * how.repetition_penalty
                    };
                }
            }
        }
        for (id, times) in drawn.iter() {
            if let Some(logit) = logits.get_mut(at(*id)) {
                let times = f32::from(u16::try_from(*times).unwrap_or(u16::MAX));
                *logit -= how.frequency_penalty * times + how.presence_penalty;
            }
        }
        for (id, bias) in &how.bias {
            if let Some(logit) = logits.get_mut(at(*id)) {
                *logit += bias;
            }
        }
    }

    /// Draws among the likeliest, by their probabilities.
    fn choose(&mut self, best: u32) -> Option<u32> {
        let Self {
            how,
            logits,
            order,
            random,
            ..
        } = self;
        let highest = logits.get(usize::try_from(best).ok()?).copied()?;
        let weight = |logit: f32| ((logit - highest) / how.temperature).exp();
        order.clear();
        // What is this unlikely is in no nucleus worth the name, and is never drawn in practice.
        let least = how.min_p.max(1e-7);
        order.extend((0_u32..).zip(logits.iter()).filter_map(|(id, logit)| {
            let weight = weight(*logit);
            (weight >= least).then_some((weight, id))
        }));
        let heavier =
            |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1));
        if how.top_k > 0 && how.top_k < order.len() {
            order.select_nth_unstable_by(how.top_k - 1, heavier);
            order.truncate(how.top_k);
        }
        let all: f64 = order.iter().map(|(weight, _)| f64::from(*weight)).sum();
        let mut among = all;
        if how.top_p < 1.0 {
            order.sort_unstable_by(heavier);
            let wanted = all * f64::from(how.top_p);
            let mut sum = 0.0;
            let last = order.iter().position(|(weight, _)| {
                sum += f64::from(*weight);
                sum >= wanted
            });
            order.truncate(last.map_or(order.len(), |last| last + 1));
            among = sum;
        }
        // 53 random bits make a number from 0 up to, not with, 1.
        let part = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let mut left = part * among;
        for (weight, id) in order.iter() {
            left -= f64::from(*weight);
            if left < 0.0 {
                return Some(*id);
            }
        }
        order.last().map(|(_, id)| *id).or(Some(best))
    }

    /// The token's log probability before temperature, and the likeliest ones'.
    fn logprobs(&mut self, id: u32) -> (f32, Vec<(u32, f32)>) {
        let Some(wanted) = self.how.logprobs else {
            return (0.0, Vec::new());
        };
        let logits = &self.logits;
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits
            .iter()
            .map(|logit| f64::from((logit - highest).exp()))
            .sum();
        #[expect(clippy::cast_possible_truncation, reason = "a logarithm of a sum fits")]
        let norm = highest + sum.ln() as f32;
        let of = |id: u32| {
            let logit = usize::try_from(id).ok().and_then(|id| logits.get(id));
            logit.map_or(f32::NEG_INFINITY, |logit| logit - norm)
        };
        let mut best: Vec<(u32, f32)> = Vec::with_capacity(wanted + 1);
        for (other, logit) in (0_u32..).zip(logits) {
            let logprob = logit - norm;
            if wanted == 0 || (best.len() == wanted && best.last().is_some_and(|l| l.1 >= logprob))
            {
                continue;
            }
            let place = best.partition_point(|one| one.1 >= logprob);
            best.insert(place, (other, logprob));
            best.truncate(wanted);
        }
        (of(id), best)
    }
}

/// The first place of the highest number. In lanes, so that the processor compares many at once.
fn likeliest(logits: &[f32]) -> Option<u32> {
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for chunk in chunks {
        for (highest, logit) in lanes.iter_mut().zip(chunk) {
            // What is not a number is never higher.
            *highest = if *logit > *highest { *logit } else { *highest };
        }
    }
    let highest = lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    #[expect(clippy::float_cmp, reason = "it is one of them")]
    let place = logits.iter().position(|logit| *logit == highest)?;
    u32::try_from(place).ok()
}

#[cfg(test)]
mod tests;
