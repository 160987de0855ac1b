//! Whether a policy keeps what must not travel: proved for all facts, or refuted with facts.

use crate::boundary::Boundary;
use crate::compile::compile_text;
use crate::decide::Question;
use crate::diagnostics::Diagnostics;
use crate::facts::Facts;
use crate::mode::Mode;
use crate::policy::{Parts, Policy};
use crate::program::Bool;
use crate::prove::{Answer, Claim, Normal, satisfiable};

/// What is known of a claim about a policy.
#[derive(Debug, Clone, PartialEq)]
pub enum Proof {
    /// It holds for all facts.
    Proved,
    /// It does not for these.
    Refuted(Box<Facts>),
    /// That could not be told.
    Unknown,
}

impl Policy {
    /// Whether every request for which `given` (a condition in CEL) holds travels no further than
    /// `boundary`, whatever else is true.
    ///
    /// # Errors
    /// What is wrong with the condition.
    pub fn prove(&self, given: &str, boundary: Boundary) -> Result<Proof, Diagnostics> {
        let given = Normal::of(&compile_text("--given", given)?);
        let answer = self.0.wider(boundary, &[Claim::holds(&given)]);
        Ok(match answer {
            Answer::Never => Proof::Proved,
            Answer::Holds(facts) if self.boundary_of(&facts) > boundary => Proof::Refuted(facts),
            Answer::Holds(_) | Answer::Unknown => Proof::Unknown,
        })
    }

    /// How far a request with these facts may travel when nobody else narrows it.
    pub(crate) fn boundary_of(&self, facts: &Facts) -> Boundary {
        let question = Question {
            request: facts.request.clone(),
            mode: Mode::Unstated,
            boundary: Boundary::Cloud,
            candidates: Vec::new(),
        };
        self.decide(&facts.slow, question).boundary()
    }
}

impl Parts {
    /// Whether something that is as `claims` say travels further than `boundary`.
    pub(crate) fn wider(&self, boundary: Boundary, claims: &[Claim<'_>]) -> Answer {
        if self.default_boundary <= boundary {
            return Answer::Never;
        }
        let keep = self.keeping(boundary);
        let none = keep.iter().map(Claim::fails);
        satisfiable(none.chain(claims.iter().copied()))
    }

    /// Where it keeps within `boundary`: any of its rules, or everywhere.
    pub(crate) fn narrower(&self, boundary: Boundary) -> Normal {
        if self.default_boundary <= boundary {
            return Normal::of(&Bool::Const(true));
        }
        let rules = self.rules.iter().filter(|rule| rule.keeps(boundary));
        Normal::of(&Bool::Or(rules.map(|rule| rule.when.clone()).collect()))
    }

    fn keeping(&self, boundary: Boundary) -> Vec<Normal> {
        let rules = self.rules.iter().filter(|rule| rule.keeps(boundary));
        rules.map(|rule| Normal::of(&rule.when)).collect()
    }
}

#[cfg(test)]
mod tests;
