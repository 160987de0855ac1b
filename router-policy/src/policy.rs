//! A policy: compiled from its document, settled on the slow facts, asked about each request.
//!
//! Its invariant: rules only narrow. Whatever the order of rules, and whichever are added, the
//! boundary of a decision is the smallest of all that apply, and nothing refused is admitted again.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::boundary::Boundary;
use crate::candidate::{Availability, Candidate, PlacementKind};
use crate::compile::{Condition, compile};
use crate::decision::{Cause, Decision, MatchedRule, Row, Verdict};
use crate::diagnostics::{Diagnostics, Reporter};
use crate::document::{self, Document, Objective, RuleText};
use crate::explain;
use crate::facts::{RequestFacts, SlowFacts, View};
use crate::mode::Mode;
use crate::program::Bool;
use crate::score::{Score, dearest, score};

/// Identifies a policy by its exact text: SHA-256 of the document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PolicyHash([u8; 32]);

/// A policy that decides. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Policy(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    name: Arc<str>,
    hash: PolicyHash,
    objective: Objective,
    rules: Vec<Arc<Rule>>,
    default_boundary: Boundary,
    on_error: Boundary,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    /// `None` holds always.
    when: Option<Condition>,
    boundary: Option<Boundary>,
    avoid: Vec<PlacementKind>,
}

/// A policy under slow facts that hold for now: conditions on nothing else are already decided.
#[derive(Debug, Clone)]
pub struct Settled {
    policy: Policy,
    slow: Arc<SlowFacts>,
    /// Rules that hold, or hold for some requests; the rest are out until the facts change.
    rules: Vec<(Arc<Rule>, Bool)>,
}

/// What a policy is asked.
#[derive(Debug)]
pub struct Question<'q> {
    /// What is known of the request.
    pub request: &'q RequestFacts,
    /// The caller's wish.
    pub mode: Mode,
    /// How far the content may travel as told by the hop before; no decision is wider.
    pub boundary: Boundary,
    /// The ways it could run.
    pub candidates: Vec<Candidate>,
}

impl Policy {
    /// Compiles a policy document. `source_name` stands in front of what is wrong with it.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn compile(source_name: &str, source: &str) -> Result<Self, Diagnostics> {
        let mut report = Reporter::new(source_name, source);
        let document = document::parse(source, &mut report)
            .and_then(|root| document::read(&root, &mut report));
        let Some(document) = document else {
            return Err(report.finish());
        };
        let Document {
            name,
            objective,
            rules,
            default_boundary,
            on_error,
        } = document;
        let rules = rules
            .into_iter()
            .map(|rule| Arc::new(Rule::compile(rule, &mut report)))
            .collect();
        if !report.is_clean() {
            return Err(report.finish());
        }
        let hash = PolicyHash(Sha256::digest(source).into());
        Ok(Self(Arc::new(Parts {
            name,
            hash,
            objective,
            rules,
            default_boundary,
            on_error,
        })))
    }

    /// What decides before there is a policy: content stays on the device.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(Parts {
            name: "closed".into(),
            hash: PolicyHash([0; 32]),
            objective: Objective::default(),
            rules: Vec::new(),
            default_boundary: Boundary::Device,
            on_error: Boundary::Device,
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Its exact version.
    #[must_use]
    pub fn hash(&self) -> PolicyHash {
        self.0.hash
    }

    /// How many rules it has.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.0.rules.len()
    }

    /// The policy while `slow` holds.
    #[must_use]
    pub fn settle(&self, slow: &SlowFacts) -> Settled {
        let unknown = RequestFacts::default();
        let view = View {
            request: &unknown,
            slow,
        };
        let settle = |rule: &Arc<Rule>| {
            let condition = match &rule.when {
                None => Bool::Const(true),
                Some(when) if when.reads.iter().all(|field| field.is_slow()) => {
                    Bool::Const(when.program.holds(view))
                }
                Some(when) => when.program.clone(),
            };
            let possible = !matches!(condition, Bool::Const(false));
            possible.then(|| (rule.clone(), condition))
        };
        Settled {
            policy: self.clone(),
            slow: Arc::new(slow.clone()),
            rules: self.0.rules.iter().filter_map(settle).collect(),
        }
    }

    /// Decides one request.
    #[must_use]
    pub fn decide(&self, slow: &SlowFacts, question: Question<'_>) -> Decision {
        self.settle(slow).decide(question)
    }
}

impl Rule {
    fn compile(rule: RuleText, report: &mut Reporter<'_>) -> Self {
        // A condition that does not compile was reported; the policy is not used then.
        let when = rule.when.as_ref().and_then(|when| compile(when, report));
        Self {
            name: rule.name,
            when,
            boundary: rule.boundary,
            avoid: rule.avoid,
        }
    }

    fn told(&self, view: View<'_>) -> MatchedRule {
        let boundary = self
            .boundary
            .map(|boundary| format!("boundary: {boundary}"));
        let avoid = self.avoid.iter().map(|kind| format!("avoid: {kind}"));
        let reads = self.when.iter().flat_map(|when| &when.reads);
        MatchedRule {
            name: self.name.clone(),
            effects: boundary.into_iter().chain(avoid).collect(),
            because: reads.map(|field| explain::fact(field, view)).collect(),
        }
    }
}

impl Settled {
    /// Decides one request.
    #[must_use]
    pub fn decide(&self, question: Question<'_>) -> Decision {
        let parts = &*self.policy.0;
        let view = View {
            request: question.request,
            slow: &self.slow,
        };
        let matched: Vec<&Rule> = self
            .rules
            .iter()
            .filter(|(_, when)| when.holds(view))
            .map(|(rule, _)| &**rule)
            .collect();

        let (boundary, bounded_by) = narrowest(parts, &matched, &question);
        let judge = Judge {
            boundary,
            bounded_by: &bounded_by,
            matched: &matched,
            mode: question.mode,
        };
        let causes: Vec<_> = question
            .candidates
            .iter()
            .map(|candidate| judge.refusal(candidate))
            .collect();
        let admitted = question
            .candidates
            .iter()
            .zip(&causes)
            .filter(|(_, cause)| cause.is_none());
        let dearest = dearest(admitted.map(|(candidate, _)| candidate));

        let verdict =
            |candidate: &Candidate, cause: Option<Cause>| match (cause, judge.avoided(candidate)) {
                (Some(cause), _) => Verdict::Refused(cause),
                (None, Some(by)) => Verdict::Avoided {
                    score: score(&candidate.prediction, &parts.objective, dearest),
                    by,
                },
                (None, None) => {
                    Verdict::Admitted(score(&candidate.prediction, &parts.objective, dearest))
                }
            };
        let table: Vec<Row> = question
            .candidates
            .into_iter()
            .zip(causes)
            .map(|(candidate, cause)| Row {
                verdict: verdict(&candidate, cause),
                candidate,
            })
            .collect();

        let mut decision = Decision {
            boundary,
            order: order(&table, question.mode),
            table,
            matched: matched.iter().map(|rule| rule.told(view)).collect(),
            failed_signals: question.request.failed_signals.clone(),
            policy_name: parts.name.clone(),
            policy_hash: parts.hash,
            reason: String::new(),
            bounded_by,
        };
        decision.reason = explain::reason(&decision, question.mode);
        decision
    }
}

/// The smallest boundary of all that apply, and what set it.
fn narrowest(parts: &Parts, matched: &[&Rule], question: &Question<'_>) -> (Boundary, Cause) {
    let mut narrowest = (parts.default_boundary, Cause::Default);
    let mut narrow = |boundary: Boundary, cause: Cause| {
        if boundary < narrowest.0 {
            narrowest = (boundary, cause);
        }
    };
    for rule in matched {
        if let Some(boundary) = rule.boundary {
            narrow(boundary, Cause::Rule(rule.name.clone()));
        }
    }
    if !question.request.failed_signals.is_empty() {
        narrow(parts.on_error, Cause::OnError);
    }
    narrow(question.boundary, Cause::Request);
    if question.mode == Mode::OnlyOnDevice {
        narrow(Boundary::Device, Cause::Mode);
    }
    narrowest
}

/// Judges candidates under what was matched.
struct Judge<'j> {
    boundary: Boundary,
    bounded_by: &'j Cause,
    matched: &'j [&'j Rule],
    mode: Mode,
}

impl Judge<'_> {
    /// What refuses the candidate. What may not be comes before what cannot be.
    fn refusal(&self, candidate: &Candidate) -> Option<Cause> {
        if !self.boundary.admits(candidate.site.boundary) {
            return Some(self.bounded_by.clone());
        }
        if self.mode == Mode::OnlyInCloud && candidate.kind == PlacementKind::Device {
            return Some(Cause::Mode);
        }
        match &candidate.availability {
            Availability::Ready => None,
            Availability::Unavailable(why) => Some(Cause::Unavailable(why.clone())),
        }
    }

    /// The first rule that would rather have another.
    fn avoided(&self, candidate: &Candidate) -> Option<Arc<str>> {
        let rule = self
            .matched
            .iter()
            .find(|rule| rule.avoid.contains(&candidate.kind))?;
        Some(rule.name.clone())
    }
}

/// Candidates that may serve, best first: those not avoided, then those that the caller prefers,
/// then the lowest score; at a tie the narrower site, then the earlier one.
fn order(table: &[Row], mode: Mode) -> Vec<usize> {
    let mut order: Vec<(usize, &Row, &Score)> = table
        .iter()
        .enumerate()
        .filter_map(|(index, row)| Some((index, row, row.verdict.score()?)))
        .collect();
    let avoided = |row: &Row| matches!(row.verdict, Verdict::Avoided { .. });
    let preferred = |row: &Row| match mode {
        Mode::PreferOnDevice => row.candidate.kind == PlacementKind::Device,
        Mode::PreferInCloud => row.candidate.kind != PlacementKind::Device,
        Mode::Unstated | Mode::OnlyOnDevice | Mode::OnlyInCloud => true,
    };
    order.sort_by(|(i, a, a_score), (j, b, b_score)| {
        avoided(a)
            .cmp(&avoided(b))
            .then_with(|| preferred(b).cmp(&preferred(a)))
            .then_with(|| a_score.total_usd.total_cmp(&b_score.total_usd))
            .then_with(|| a.candidate.site.boundary.cmp(&b.candidate.site.boundary))
            .then_with(|| i.cmp(j))
    });
    order.into_iter().map(|(index, ..)| index).collect()
}

impl fmt::Display for PolicyHash {
    /// The first 12 hexadecimal digits: enough to tell versions apart in a header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take(6)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PolicyHash {
    /// All 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl From<PolicyHash> for String {
    fn from(hash: PolicyHash) -> Self {
        hash.to_hex()
    }
}

/// A text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a SHA-256 digest of 64 hexadecimal digits")]
pub struct NotADigest;

impl TryFrom<String> for PolicyHash {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(NotADigest);
        }
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_not_ascii| NotADigest)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_not_hex| NotADigest)?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests;
