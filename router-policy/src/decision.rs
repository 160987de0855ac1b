//! A decision: the placement, and the whole table of why.
//!
//! It keeps what it looked at, so that reasons are only written down when someone asks for them. Its
//! invariant: it cannot be made up. The only way to a decision is to decide.

mod told;

use std::sync::Arc;

use serde::Serialize;
use smallvec::SmallVec;

use crate::boundary::Boundary;
use crate::candidate::{Availability, Candidate};
use crate::decide::Question;
use crate::effect::{Cascade, Fallback};
use crate::explain;
use crate::facts::{Facts, RequestFacts, SignalName, SlowFacts, View};
use crate::hash::PolicyHash;
use crate::index::Matched;
use crate::mode::Mode;
use crate::permit::EgressPermit;
use crate::policy::{Policy, Rule, RuleId};
use crate::replay::Record;
use crate::score::{Score, score};
use crate::units::Usd;

/// Places of candidates, best first.
pub(crate) type Order = SmallVec<[usize; 8]>;

/// What was decided about one request, with the reasons.
#[derive(Debug, Clone)]
pub struct Decision {
    pub(crate) policy: Policy,
    pub(crate) slow: Arc<SlowFacts>,
    pub(crate) question: Question,
    pub(crate) boundary: Boundary,
    pub(crate) bounded_by: Cause,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) order: Order,
    pub(crate) matched: Matched,
    /// What a cost that is not known counts as.
    pub(crate) dearest: Usd,
    pub(crate) advice: Option<Arc<Advice>>,
}

/// One candidate and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'d> {
    /// The candidate.
    pub candidate: &'d Candidate,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// It may serve.
    Admitted {
        /// What it is expected to cost, all told, in US dollars.
        total_usd: f64,
    },
    /// It may serve, but a rule would rather have any other.
    Avoided {
        /// What it is expected to cost, all told, in US dollars.
        total_usd: f64,
        /// The rule; [`Decision::rule_name`] knows its name.
        by: RuleId,
    },
    /// It may not serve.
    Refused(Cause),
}

/// What narrowed a decision or refused a candidate. [`Decision::cause`] puts it into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A rule of the policy.
    Rule(RuleId),
    /// A rule wants spans replaced before content leaves, which would not be done on this way.
    Redaction(RuleId),
    /// The policy's default.
    Default,
    /// An `onError`, since signals failed or a plug-in did not answer.
    OnError,
    /// The boundary that came with the request.
    Request,
    /// The caller's wish.
    Mode,
    /// No rule that holds asks for a cascade.
    NoCascade,
    /// A plug-in.
    PlugIn,
    /// It cannot serve now; the candidate says why.
    Unavailable,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchedRule {
    /// Its name.
    pub name: Arc<str>,
    /// What it did, such as `boundary: device`.
    pub effects: Vec<String>,
    /// The facts that its condition looked at, such as `request.tokens = 312`.
    pub because: Vec<String>,
}

/// Why nothing can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// The policy or the caller's wish refuses every candidate.
    Denied,
    /// Something may serve, but nothing that may can serve now.
    Unavailable,
}

/// What a plug-in says of a request. It can narrow a decision and order it, never widen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// How far content may travel.
    pub boundary: Boundary,
    /// Candidates that may serve, best first.
    pub admitted: Vec<usize>,
    /// Why, in a few words.
    pub reason: String,
}

impl Decision {
    /// How far the request's content may travel.
    #[must_use]
    pub const fn boundary(&self) -> Boundary {
        self.boundary
    }

    /// What made the boundary as narrow as it is.
    #[must_use]
    pub const fn bounded_by(&self) -> Cause {
        self.bounded_by
    }

    /// The placement: an index into [`Decision::table`].
    ///
    /// # Errors
    /// Why there is none.
    pub fn chosen(&self) -> Result<usize, Nothing> {
        if let Some(first) = self.order.first() {
            return Ok(*first);
        }
        Err(
            if self
                .verdicts
                .contains(&Verdict::Refused(Cause::Unavailable))
            {
                Nothing::Unavailable
            } else {
                Nothing::Denied
            },
        )
    }

    /// Candidates that may serve, best first: indices into [`Decision::table`].
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Every candidate, in the order in which they were asked about.
    pub fn table(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        let rows = self.question.candidates.iter().zip(&self.verdicts);
        rows.map(|(candidate, verdict)| Row {
            candidate,
            verdict: *verdict,
        })
    }

    /// The candidate at a place of the table.
    #[must_use]
    pub fn candidate(&self, index: usize) -> Option<&Candidate> {
        self.question.candidates.get(index)
    }

    /// What the candidate is expected to cost, in its parts; `None` unless it may serve.
    #[must_use]
    pub fn score(&self, index: usize) -> Option<Score> {
        if self.verdicts.get(index)?.is_refused() {
            return None;
        }
        let candidate = self.candidate(index)?;
        Some(score(
            &candidate.prediction,
            &self.policy.0.objective,
            self.dearest,
        ))
    }

    /// The rules that matched, in the order of the policy.
    #[must_use]
    pub fn matched(&self) -> Vec<MatchedRule> {
        let rules = self.matched_rules();
        rules
            .map(|rule| explain::matched(rule, self.view()))
            .collect()
    }

    /// The name of a rule that this decision speaks of.
    #[must_use]
    pub fn rule_name(&self, id: RuleId) -> &str {
        self.policy.0.rule(id).map_or("", |rule| &*rule.name)
    }

    /// A cause, as a person would name it.
    #[must_use]
    pub fn cause(&self, cause: Cause) -> String {
        explain::told(self, cause)
    }

    /// The budgets that the request is charged to.
    #[must_use]
    pub fn budgets(&self) -> Vec<Arc<str>> {
        let charged = self
            .matched_rules()
            .filter_map(|rule| rule.effects.charge.clone());
        charged.collect()
    }

    /// Labels, or with a dot at the end prefixes of labels, whose spans must be replaced before content
    /// leaves the device.
    #[must_use]
    pub fn redact(&self) -> Vec<Arc<str>> {
        let patterns = self.matched_rules().flat_map(|rule| &rule.effects.redact);
        let mut patterns: Vec<Arc<str>> = patterns.map(|pattern| pattern.0.clone()).collect();
        patterns.sort_unstable();
        patterns.dedup();
        patterns
    }

    /// How a cascade goes about it; `None` when no rule asks for cascades.
    #[must_use]
    pub fn cascade(&self) -> Option<Cascade> {
        let asked = self.matched_rules().filter_map(|rule| rule.effects.cascade);
        asked.reduce(Cascade::and)
    }

    /// Where the answer may come from when a place fails. The narrowest that a rule says.
    #[must_use]
    pub fn fallback(&self) -> Fallback {
        let said = self
            .matched_rules()
            .filter_map(|rule| rule.effects.fallback);
        said.min().unwrap_or_default()
    }

    /// What is known of the request.
    #[must_use]
    pub const fn request(&self) -> &RequestFacts {
        &self.question.request
    }

    /// The slow facts that were looked at.
    #[must_use]
    pub fn slow(&self) -> &SlowFacts {
        &self.slow
    }

    /// The caller's wish.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.question.mode
    }

    /// How far the content might travel as told by the hop before.
    #[must_use]
    pub const fn asked_boundary(&self) -> Boundary {
        self.question.boundary
    }

    /// Signals that could not be computed.
    #[must_use]
    pub fn failed_signals(&self) -> &[SignalName] {
        &self.question.request.failed_signals
    }

    /// The policy that decided.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy that decided, exactly.
    #[must_use]
    pub fn policy_hash(&self) -> PolicyHash {
        self.policy.hash()
    }

    /// Why, in one line of at most 120 ASCII characters.
    #[must_use]
    pub fn reason(&self) -> String {
        explain::reason(self)
    }

    /// All that was looked at: enough to decide again.
    #[must_use]
    pub fn record(&self) -> Record {
        Record {
            facts: Facts {
                request: self.question.request.clone(),
                slow: SlowFacts::clone(&self.slow),
            },
            mode: self.question.mode,
            boundary: self.question.boundary,
            candidates: self.question.candidates.clone(),
        }
    }

    /// Leave to send the request's content to that candidate's site. `None` when the candidate was
    /// not admitted, or does not lie beyond the device and within the boundary.
    #[must_use]
    pub fn permit(&self, candidate: usize) -> Option<EgressPermit> {
        if self.verdicts.get(candidate)?.is_refused() {
            return None;
        }
        EgressPermit::mint(self.boundary, &self.candidate(candidate)?.site)
    }

    /// The decision as a plug-in narrows and orders it. What was refused stays refused.
    #[must_use]
    pub fn advised(mut self, advice: Advice) -> Self {
        self.narrow(advice.boundary, Cause::PlugIn);
        let left = |index: &usize| self.order.contains(index);
        let mut order = Order::new();
        for index in advice.admitted.iter().copied().filter(left) {
            if !order.contains(&index) {
                order.push(index);
            }
        }
        for index in std::mem::take(&mut self.order) {
            if !order.contains(&index)
                && let Some(verdict) = self.verdicts.get_mut(index)
            {
                *verdict = Verdict::Refused(Cause::PlugIn);
            }
        }
        self.order = order;
        self.advice = Some(Arc::new(advice));
        self
    }

    /// The decision when a plug-in that should have been heard was not.
    #[must_use]
    pub fn unadvised(mut self) -> Self {
        let on_error = self.policy.on_error();
        self.narrow(on_error, Cause::OnError);
        self
    }

    fn narrow(&mut self, boundary: Boundary, cause: Cause) {
        if boundary >= self.boundary {
            return;
        }
        self.boundary = boundary;
        self.bounded_by = cause;
        let rows = self.question.candidates.iter().zip(&mut self.verdicts);
        for (candidate, verdict) in rows {
            if !verdict.is_refused() && !boundary.admits(candidate.site.boundary) {
                *verdict = Verdict::Refused(cause);
            }
        }
        let verdicts = &self.verdicts;
        self.order
            .retain(|index| verdicts.get(*index).is_some_and(|v| !v.is_refused()));
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            request: &self.question.request,
            slow: &self.slow,
        }
    }

    pub(crate) fn matched_rules(&self) -> impl Iterator<Item = &Rule> {
        self.matched.iter().filter_map(|id| self.policy.0.rule(*id))
    }

    /// Why a candidate cannot serve now.
    pub(crate) fn unavailable(&self, index: usize) -> Option<&str> {
        match &self.candidate(index)?.availability {
            Availability::Ready => None,
            Availability::Unavailable(why) => Some(why),
        }
    }
}

impl PartialEq for Decision {
    /// Whether the same came out of it, for the same reasons.
    fn eq(&self, other: &Self) -> bool {
        let same_result = self.boundary == other.boundary
            && self.bounded_by == other.bounded_by
            && self.order == other.order
            && self.verdicts == other.verdicts;
        let same_question = self.matched == other.matched
            && self.record() == other.record()
            && self.advice == other.advice;
        same_result && same_question && self.policy_hash() == other.policy_hash()
    }
}

impl Verdict {
    /// What is known before scores are.
    pub(crate) fn begun(refusal: Option<Cause>) -> Self {
        refusal.map_or(Self::Admitted { total_usd: 0.0 }, Self::Refused)
    }

    /// Whether it may not serve.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// What it is expected to cost, all told, in US dollars; `None` when it may not serve.
    #[must_use]
    pub const fn total_usd(&self) -> Option<f64> {
        match self {
            Self::Admitted { total_usd } | Self::Avoided { total_usd, by: _ } => Some(*total_usd),
            Self::Refused(_) => None,
        }
    }
}
