//! One decision: which rules hold, how far content may travel, what becomes of each candidate, and
//! which comes first. Eligibility before optimisation: what may not be is removed before scores count.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::boundary::Boundary;
use crate::candidate::{Availability, Candidate, PlacementKind};
use crate::decision::{Cause, Decision, Order, Verdict};
use crate::effect::{Effects, Kinds, Otherwise};
use crate::facts::{RequestFacts, SlowFacts, View};
use crate::index::{Index, Matched};
use crate::mode::Mode;
use crate::policy::{Parts, Policy, RuleId};
use crate::score::{dearest, score};

/// What a policy is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is known of the request.
    pub request: RequestFacts,
    /// The caller's wish.
    pub mode: Mode,
    /// How far the content may travel as told by the hop before; no decision is wider.
    pub boundary: Boundary,
    /// The ways it could run.
    pub candidates: Vec<Candidate>,
}

/// Decides. `index` holds the conditions of `policy` settled on `slow`.
pub(crate) fn decide(
    policy: &Policy,
    slow: &Arc<SlowFacts>,
    index: &Index,
    question: Question,
) -> Decision {
    let parts = &*policy.0;
    let matched = index.matched(View {
        request: &question.request,
        slow,
    });
    let (boundary, bounded_by) = narrowest(parts, &matched, &question);
    let judge = Judge::new(parts, &matched, &question, (boundary, bounded_by));

    let refusals = question.candidates.iter().map(|one| judge.refusal(one));
    let mut verdicts: Vec<Verdict> = refusals.map(Verdict::begun).collect();
    judge.limit(&question.candidates, &mut verdicts);

    let rows = || question.candidates.iter().zip(&verdicts);
    let eligible = rows().filter(|(_, verdict)| !verdict.is_refused());
    let dearest = dearest(eligible.map(|(candidate, _)| candidate));
    for (candidate, verdict) in question.candidates.iter().zip(&mut verdicts) {
        if !verdict.is_refused() {
            let total_usd = score(&candidate.prediction, &parts.objective, dearest).total_usd;
            *verdict = match judge.avoided(candidate) {
                Some(by) => Verdict::Avoided { total_usd, by },
                None => Verdict::Admitted { total_usd },
            };
        }
    }
    let order = judge.order(&question.candidates, &verdicts);
    Decision {
        policy: policy.clone(),
        slow: slow.clone(),
        boundary,
        bounded_by,
        verdicts,
        order,
        matched,
        dearest,
        question,
        advice: None,
    }
}

/// The smallest boundary of all that apply, and what set it.
fn narrowest(parts: &Parts, matched: &Matched, question: &Question) -> (Boundary, Cause) {
    let mut narrowest = (parts.default_boundary, Cause::Default);
    let mut narrow = |boundary: Boundary, cause: Cause| {
        if boundary < narrowest.0 {
            narrowest = (boundary, cause);
        }
    };
    let failed = !question.request.failed_signals.is_empty();
    for id in matched {
        let Some(rule) = parts.brief(*id) else {
            continue;
        };
        if let Some(boundary) = rule.boundary {
            narrow(boundary, Cause::Rule(*id));
        }
        if let Some(boundary) = rule.on_error
            && failed
        {
            narrow(boundary, Cause::OnError);
        }
    }
    if failed {
        narrow(parts.on_error, Cause::OnError);
    }
    narrow(question.boundary, Cause::Request);
    if question.mode == Mode::OnlyOnDevice {
        narrow(Boundary::Device, Cause::Mode);
    }
    narrowest
}

/// Judges candidates under the rules that hold.
struct Judge<'j> {
    boundary: Boundary,
    bounded_by: Cause,
    mode: Mode,
    /// Of the rules that hold, those that look at candidates.
    effects: SmallVec<[(RuleId, &'j Effects); 8]>,
    /// Those of them that may refuse one.
    strict: SmallVec<[(RuleId, &'j Effects); 4]>,
    /// The placement kinds that some rule may avoid, and that some may prefer.
    avoided: Kinds,
    preferred: Kinds,
    /// The first rule that wants something of this request replaced before it leaves.
    redacted_by: Option<RuleId>,
    allows_cascade: bool,
}

/// Whether the device answers at first.
const fn begins_on_device(kind: PlacementKind) -> bool {
    match kind {
        PlacementKind::Device | PlacementKind::Cascade => true,
        PlacementKind::Split | PlacementKind::Cloud => false,
    }
}

impl<'j> Judge<'j> {
    fn new(
        parts: &'j Parts,
        matched: &Matched,
        question: &Question,
        (boundary, bounded_by): (Boundary, Cause),
    ) -> Self {
        let effects = matched.iter().filter_map(|id| {
            let judges = parts.brief(*id)?.judges_candidates;
            judges.then_some((*id, &parts.rule(*id)?.effects))
        });
        let effects: SmallVec<[(RuleId, &Effects); 8]> = effects.collect();
        let labels = &question.request.labels;
        let hit = |effects: &Effects| {
            let mut patterns = effects.redact.iter();
            patterns.any(|pattern| labels.iter().any(|label| pattern.matches(label)))
        };
        let redacted_by = effects.iter().find(|(_, effects)| hit(effects));
        let strict = effects.iter().filter(|(_, effects)| effects.may_refuse());
        let kinds = |of: fn(&Effects) -> Kinds| {
            let mine = effects.iter().map(|(_, effects)| of(effects));
            mine.fold(Kinds::NONE, Kinds::with)
        };
        Self {
            boundary,
            bounded_by,
            mode: question.mode,
            redacted_by: redacted_by.map(|(id, _)| *id),
            strict: strict.copied().collect(),
            avoided: kinds(Effects::avoids),
            preferred: kinds(Effects::prefers),
            allows_cascade: effects.iter().any(|(_, effects)| effects.cascade.is_some()),
            effects,
        }
    }

    /// What refuses the candidate. What may not be comes before what cannot be.
    fn refusal(&self, candidate: &Candidate) -> Option<Cause> {
        let site = candidate.site.boundary;
        if !self.boundary.admits(site) {
            return Some(self.bounded_by);
        }
        if let Some(rule) = self.redacted_by
            && site > Boundary::Device
            && !candidate.redacts
        {
            return Some(Cause::Redaction(rule));
        }
        if self.mode == Mode::OnlyInCloud && begins_on_device(candidate.kind) {
            return Some(Cause::Mode);
        }
        if candidate.kind == PlacementKind::Cascade && !self.allows_cascade {
            return Some(Cause::NoCascade);
        }
        for (id, effects) in &self.strict {
            let required = effects.require.as_ref();
            if required.is_some_and(|which| !which.selects(candidate)) {
                return Some(Cause::Rule(*id));
            }
            let strict = effects
                .limits
                .filter(|limits| limits.otherwise == Otherwise::Refuse);
            if strict.is_some_and(|limits| !limits.admit(candidate)) {
                return Some(Cause::Rule(*id));
            }
        }
        match &candidate.availability {
            Availability::Ready => None,
            Availability::Unavailable(_) => Some(Cause::Unavailable),
        }
    }

    /// Refuses what exceeds limits that may be relaxed, unless nothing is left that keeps to them.
    fn limit(&self, candidates: &[Candidate], verdicts: &mut [Verdict]) {
        let limited = || {
            let all = self.strict.iter();
            all.filter_map(|(id, effects)| Some((id, effects.limits?)))
        };
        if limited().next().is_none() {
            return;
        }
        let exceeded = |candidate: &Candidate| {
            let mut all = limited();
            all.find(|(_, limits)| !limits.admit(candidate))
        };
        let fits = |(candidate, verdict): (&Candidate, &Verdict)| {
            !verdict.is_refused() && exceeded(candidate).is_none()
        };
        if !candidates.iter().zip(&*verdicts).any(fits) {
            return;
        }
        for (candidate, verdict) in candidates.iter().zip(verdicts) {
            if !verdict.is_refused()
                && let Some((id, _)) = exceeded(candidate)
            {
                *verdict = Verdict::Refused(Cause::Rule(*id));
            }
        }
    }

    /// The first rule that would rather have another.
    fn avoided(&self, candidate: &Candidate) -> Option<RuleId> {
        if !self.avoided.has(candidate.kind) {
            return None;
        }
        let avoids = |(_, effects): &&(RuleId, &Effects)| {
            let which = effects.avoid.as_ref();
            which.is_some_and(|which| which.selects(candidate))
        };
        self.effects.iter().find(avoids).map(|(id, _)| *id)
    }

    /// How much rules prefer the candidate: the highest priority of all that do.
    fn preference(&self, candidate: &Candidate) -> u8 {
        let cascade = u8::from(self.allows_cascade && candidate.kind == PlacementKind::Cascade);
        if !self.preferred.has(candidate.kind) {
            return cascade;
        }
        let stated = self.effects.iter().filter_map(|(_, effects)| {
            let prefer = effects.prefer.as_ref()?;
            prefer.which.selects(candidate).then_some(prefer.priority)
        });
        stated.max().unwrap_or(0).max(cascade)
    }

    /// Candidates that may serve, best first: those not avoided, then those that the caller prefers,
    /// then those that rules prefer, then the lowest score; at a tie the narrower site, then the
    /// earlier one.
    fn order(&self, candidates: &[Candidate], verdicts: &[Verdict]) -> Order {
        let wished = |candidate: &Candidate| match self.mode {
            Mode::PreferOnDevice => candidate.kind == PlacementKind::Device,
            Mode::PreferInCloud => !begins_on_device(candidate.kind),
            Mode::Unstated | Mode::OnlyOnDevice | Mode::OnlyInCloud => true,
        };
        let place = |(index, (candidate, verdict)): (usize, (&Candidate, &Verdict))| {
            let last = matches!(verdict, Verdict::Avoided { .. });
            let rank = (
                last,
                !wished(candidate),
                u8::MAX - self.preference(candidate),
            );
            Some((rank, verdict.total_usd()?, candidate.site.boundary, index))
        };
        let rows = candidates.iter().zip(verdicts).enumerate();
        let mut places: SmallVec<[_; 8]> = rows.filter_map(place).collect();
        places.sort_unstable_by(|(a_rank, a_usd, a_site, a), (b_rank, b_usd, b_site, b)| {
            let rank = a_rank.cmp(b_rank);
            let score = rank.then_with(|| a_usd.total_cmp(b_usd));
            score.then_with(|| (a_site, a).cmp(&(b_site, b)))
        });
        places.into_iter().map(|(.., index)| index).collect()
    }
}

#[cfg(test)]
mod tests;
