//! The same question gives the same decision: what a decision looked at, kept to be asked again.

use serde::{Deserialize, Serialize};

use crate::boundary::Boundary;
use crate::candidate::Candidate;
use crate::decide::Question;
use crate::decision::Decision;
use crate::facts::Facts;
use crate::mode::Mode;
use crate::policy::Policy;

/// What a decision looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The facts as they were.
    pub facts: Facts,
    /// The caller's wish.
    pub mode: Mode,
    /// The boundary that came with the request.
    pub boundary: Boundary,
    /// The candidates with their predictions.
    pub candidates: Vec<Candidate>,
}

impl Policy {
    /// Decides a recorded question again. Under the policy that decided it first, to the same result.
    #[must_use]
    pub fn replay(&self, record: &Record) -> Decision {
        let Record {
            facts,
            mode,
            boundary,
            candidates,
        } = record.clone();
        let question = Question {
            request: facts.request,
            mode,
            boundary,
            candidates,
        };
        self.decide(&facts.slow, question)
    }
}
