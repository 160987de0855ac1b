//! One run of a decoder: tokens in, logits out, and the caches one step further.

use super::cache::Cache;
use super::layout::Layout;
use super::value::{Output, Runner, Value};
use crate::engine::RunError;
use crate::session::Session;

/// Bounds on what a decoder holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Answers under way together.
    pub(crate) rows: usize,
    /// Bytes of all caches.
    pub(crate) cache_bytes: usize,
}

/// The rows of one decoder. Those under way are the first ones, without a gap.
pub(super) struct Decoder {
    runner: Runner,
    layout: Layout,
    store: Store,
    bounds: Bounds,
}

/// Where keys and values are.
enum Store {
    /// In one place, as a batch.
    InPlace(Box<Cache>),
    /// In what the last run of each row made.
    Growing(Vec<Grown>),
}

/// A row whose caches come out of each run longer.
#[derive(Default)]
struct Grown {
    tokens: Vec<u32>,
    past: Vec<Value>,
}

/// The logits of a run: `[rows, tokens, vocabulary]`.
pub(super) struct Logits {
    value: Value,
    rows: usize,
    tokens: usize,
    vocabulary: usize,
}

impl Logits {
    /// What follows the last token of a row.
    pub(super) fn last(&self, row: usize) -> Result<&[f32], RunError> {
        let all = self
            .value
            .floats(self.rows * self.tokens * self.vocabulary)?;
        let from = (row * self.tokens + self.tokens - 1) * self.vocabulary;
        all.get(from..from + self.vocabulary)
            .ok_or(RunError::Output)
    }
}

impl Decoder {
    pub(super) fn new(session: Session, layout: Layout, bounds: Bounds) -> Result<Self, RunError> {
        let runner = Runner::new(session.into_inner(), &layout.inputs(), &layout.outputs())?;
        let store = if layout.in_place {
            let cache = Cache::new(layout.clone(), bounds.rows, bounds.cache_bytes)?;
            Store::InPlace(Box::new(cache))
        } else {
            Store::Growing(Vec::new())
        };
        Ok(Self {
            runner,
            layout,
            store,
            bounds,
        })
    }

    /// How many answers can be under way together.
    pub(super) fn rows(&self) -> usize {
        match &self.store {
            Store::InPlace(cache) => cache.rows(),
            Store::Growing(_) => self.bounds.rows,
        }
    }

    /// Makes row `row` ready for `prompt`, with room for `tokens`; the rows before it are under way.
    /// Gives how much of the prompt it holds already: never all, since the last token says what follows.
    pub(super) fn begin(
        &mut self,
        row: usize,
        prompt: &[u32],
        tokens: usize,
    ) -> Result<usize, RunError> {
        let most = prompt.len().saturating_sub(1);
        match &mut self.store {
            Store::InPlace(cache) => {
                cache.reserve(tokens, row)?;
                let (alike, common) = cache.most_alike(prompt);
                let common = common.min(most);
                if alike >= row && common > 0 {
                    cache.swap(alike, row);
                    cache.truncate(row, common);
                } else {
                    let oldest = cache.oldest(row).ok_or(RunError::Overloaded)?;
                    cache.swap(oldest, row);
                    cache.copy(alike, row, common);
                }
                Ok(common)
            }
            Store::Growing(rows) => {
                let held = self.layout.token_bytes() * tokens;
                if held > self.bounds.cache_bytes {
                    return Err(RunError::Overloaded);
                }
                // A cache of this kind cannot be cut, so all that it holds must be wanted.
                let fits = |grown: &Grown| {
                    !grown.tokens.is_empty()
                        && grown.tokens.len() <= most
                        && prompt.starts_with(&grown.tokens)
                };
                let idle = rows.get(row..).unwrap_or_default().iter();
                let longest = idle
                    .enumerate()
                    .filter(|(_, grown)| fits(grown))
                    .max_by_key(|(_, grown)| grown.tokens.len());
                let found = longest.map(|(index, _)| row + index);
                let begun = found.map_or_else(Grown::default, |index| rows.remove(index));
                let common = begun.tokens.len();
                rows.insert(row, begun);
                rows.truncate(self.bounds.rows + 1);
                Ok(common)
            }
        }
    }

    /// Reads tokens into a row; gives the logits of all of them.
    pub(super) fn read(&mut self, row: usize, tokens: &[u32]) -> Result<Logits, RunError> {
        let count = tokens.len();
        let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
        match &mut self.store {
            Store::InPlace(cache) => {
                let before = cache.tokens(row).len();
                cache.reserve(before + count, row + 1)?;
                let mask = vec![1; before + count];
                let caches = cache.views(row, 1)?;
                let fed = Fed {
                    ids: &ids,
                    mask: &mask,
                    first: &[before],
                    rows: 1,
                };
                let logits = fed.run(&mut self.runner, &self.layout, caches)?;
                cache.wrote(row, tokens);
                Ok(logits)
            }
            Store::Growing(rows) => {
                let grown = rows.get_mut(row).ok_or(RunError::Output)?;
                grown.run(&mut self.runner, &self.layout, &ids, tokens)
            }
        }
    }

    /// Goes on with one token for each of the first rows, of which `kept` are in use; gives the logits
    /// of each: all in one, or one for each.
    pub(super) fn step(&mut self, tokens: &[u32], kept: usize) -> Result<Vec<Logits>, RunError> {
        match &mut self.store {
            Store::InPlace(cache) => {
                let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
                let before: Vec<usize> = (0..tokens.len())
                    .map(|row| cache.tokens(row).len())
                    .collect();
                let longest = before.iter().max().map_or(0, |longest| longest + 1);
                let mut mask = vec![0; longest * tokens.len()];
                for (row, before) in mask.chunks_exact_mut(longest).zip(&before) {
                    row.iter_mut().take(before + 1).for_each(|seen| *seen = 1);
                }
                cache.reserve(longest, kept)?;
                let caches = cache.views(0, tokens.len())?;
                let fed = Fed {
                    ids: &ids,
                    mask: &mask,
                    first: &before,
                    rows: tokens.len(),
                };
                let logits = fed.run(&mut self.runner, &self.layout, caches)?;
                for (row, token) in tokens.iter().enumerate() {
                    cache.wrote(row, &[*token]);
                }
                Ok(vec![logits])
            }
            Store::Growing(rows) => {
                let pairs = rows.iter_mut().zip(tokens);
                pairs
                    .map(|(grown, token)| {
                        let ids = [i64::from(*token)];
                        grown.run(&mut self.runner, &self.layout, &ids, &[*token])
                    })
                    .collect()
            }
        }
    }

    /// Exchanges two rows.
    pub(super) fn swap(&mut self, a: usize, b: usize) {
        match &mut self.store {
            Store::InPlace(cache) => cache.swap(a, b),
            Store::Growing(rows) => rows.swap(a, b),
        }
    }

    /// Tokens that a row holds.
    pub(super) fn held(&self, row: usize) -> usize {
        match &self.store {
            Store::InPlace(cache) => cache.tokens(row).len(),
            Store::Growing(rows) => rows.get(row).map_or(0, |grown| grown.tokens.len()),
        }
    }

    /// Forgets everything: after a failure nobody knows what the caches hold.
    pub(super) fn clear(&mut self) {
        match &mut self.store {
            Store::InPlace(cache) => (0..cache.rows()).for_each(|row| cache.truncate(row, 0)),
            Store::Growing(rows) => rows.clear(),
        }
    }
}

/// What goes into a run beside the caches.
struct Fed<'f> {
    ids: &'f [i64],
    mask: &'f [i64],
    /// The position of the first token of each row.
    first: &'f [usize],
    rows: usize,
}

impl Fed<'_> {
    fn values(&self, layout: &Layout) -> Result<Vec<Value>, RunError> {
        let shape = |values: &[i64]| [self.rows, values.len() / self.rows.max(1)];
        let mut values = vec![
            Value::integers(self.ids, &shape(self.ids))?,
            Value::integers(self.mask, &shape(self.mask))?,
        ];
        if layout.positions.is_some() {
            let each = self.ids.len() / self.rows.max(1);
            let positions = self.first.iter().flat_map(|first| *first..first + each);
            let positions: Vec<i64> = positions
                .map(|position| i64::try_from(position).unwrap_or(i64::MAX))
                .collect();
            values.push(Value::integers(&positions, &shape(&positions))?);
        }
        Ok(values)
    }

    fn run(
        &self,
        runner: &mut Runner,
        layout: &Layout,
        caches: &[Value],
    ) -> Result<Logits, RunError> {
        let values = self.values(layout)?;
        let inputs: Vec<&Value> = values.iter().chain(caches).collect();
        let mut outputs = vec![Output::Made];
        outputs.extend(caches.iter().map(Output::Into));
        let made = runner.run(&inputs, &outputs)?;
        self.logits(layout, made)
    }

    fn logits(&self, layout: &Layout, made: Vec<Value>) -> Result<Logits, RunError> {
        let read = self.ids.len() / self.rows.max(1);
        Ok(Logits {
            value: made.into_iter().next().ok_or(RunError::Output)?,
            rows: self.rows,
            tokens: if layout.last_alone { 1 } else { read },
            vocabulary: layout.vocabulary,
        })
    }
}

impl Grown {
    fn run(
        &mut self,
        runner: &mut Runner,
        layout: &Layout,
        ids: &[i64],
        tokens: &[u32],
    ) -> Result<Logits, RunError> {
        let before = self.tokens.len();
        if self.past.is_empty() {
            let shape = [1, layout.heads, 0, layout.head_size];
            let empty = || Value::empty(layout.element, &shape);
            self.past = layout
                .past
                .iter()
                .map(|_| empty())
                .collect::<Result<_, _>>()?;
        }
        let mask = vec![1; before + ids.len()];
        let fed = Fed {
            ids,
            mask: &mask,
            first: &[before],
            rows: 1,
        };
        let values = fed.values(layout)?;
        let inputs: Vec<&Value> = values.iter().chain(&self.past).collect();
        let outputs: Vec<Output<'_>> = (0..=self.past.len()).map(|_| Output::Made).collect();
        let mut made = runner.run(&inputs, &outputs)?;
        if made.len() != outputs.len() {
            return Err(RunError::Output);
        }
        self.past = made.split_off(1);
        self.tokens.extend_from_slice(tokens);
        fed.logits(layout, made)
    }
}
