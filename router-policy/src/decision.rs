//! A decision: the placement, and the whole table of why.

use std::sync::Arc;

use serde::Serialize;

use crate::boundary::Boundary;
use crate::candidate::Candidate;
use crate::facts::SignalName;
use crate::permit::EgressPermit;
use crate::policy::PolicyHash;
use crate::score::Score;

/// What was decided about one request, with the reasons.
///
/// It can be written but not read back, so that nobody can make one up: the only way to a decision
/// is to decide.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub(crate) boundary: Boundary,
    pub(crate) bounded_by: Cause,
    pub(crate) order: Vec<usize>,
    pub(crate) table: Vec<Row>,
    pub(crate) matched: Vec<MatchedRule>,
    pub(crate) failed_signals: Vec<SignalName>,
    pub(crate) policy_name: Arc<str>,
    pub(crate) policy_hash: PolicyHash,
    pub(crate) reason: String,
}

/// One candidate and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The candidate.
    pub candidate: Candidate,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It may serve.
    Admitted(Score),
    /// It may serve, but a rule would rather have any other.
    Avoided {
        /// What it is expected to cost.
        score: Score,
        /// The rule.
        by: Arc<str>,
    },
    /// It may not serve.
    Refused(Cause),
}

/// What narrowed a decision or refused a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// This rule of the policy.
    Rule(Arc<str>),
    /// The policy's default.
    Default,
    /// The policy's `onError`, since signals failed.
    OnError,
    /// The boundary that came with the request.
    Request,
    /// The caller's wish.
    Mode,
    /// It cannot serve now, and why.
    Unavailable(Arc<str>),
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

impl Decision {
    /// How far the request's content may travel.
    #[must_use]
    pub const fn boundary(&self) -> Boundary {
        self.boundary
    }

    /// What made the boundary as narrow as it is.
    #[must_use]
    pub const fn bounded_by(&self) -> &Cause {
        &self.bounded_by
    }

    /// The placement: an index into [`Decision::table`].
    ///
    /// # Errors
    /// Why there is none.
    pub fn chosen(&self) -> Result<usize, Nothing> {
        if let Some(first) = self.order.first() {
            return Ok(*first);
        }
        let waits = |row: &Row| matches!(row.verdict, Verdict::Refused(Cause::Unavailable(_)));
        Err(if self.table.iter().any(waits) {
            Nothing::Unavailable
        } else {
            Nothing::Denied
        })
    }

    /// Candidates that may serve, best first: indices into [`Decision::table`].
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Every candidate, in the order in which they were asked about.
    #[must_use]
    pub fn table(&self) -> &[Row] {
        &self.table
    }

    /// The rules that matched, in the order of the policy.
    #[must_use]
    pub fn matched(&self) -> &[MatchedRule] {
        &self.matched
    }

    /// Signals that could not be computed.
    #[must_use]
    pub fn failed_signals(&self) -> &[SignalName] {
        &self.failed_signals
    }

    /// The name of the policy that decided.
    #[must_use]
    pub fn policy_name(&self) -> &Arc<str> {
        &self.policy_name
    }

    /// The policy that decided, exactly.
    #[must_use]
    pub const fn policy_hash(&self) -> PolicyHash {
        self.policy_hash
    }

    /// Why, in one line of at most 120 ASCII characters.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Leave to send the request's content to that candidate's site. `None` when the candidate was
    /// not admitted, or does not lie beyond the device and within the boundary.
    #[must_use]
    pub fn permit(&self, candidate: usize) -> Option<EgressPermit> {
        let row = self.table.get(candidate)?;
        match row.verdict {
            Verdict::Admitted(_) | Verdict::Avoided { .. } => {
                EgressPermit::mint(self.boundary, &row.candidate.site)
            }
            Verdict::Refused(_) => None,
        }
    }
}

impl Verdict {
    /// Its score, unless it was refused.
    #[must_use]
    pub const fn score(&self) -> Option<&Score> {
        match self {
            Self::Admitted(score) | Self::Avoided { score, .. } => Some(score),
            Self::Refused(_) => None,
        }
    }
}
