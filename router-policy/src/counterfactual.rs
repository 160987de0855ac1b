//! What would have to be different for another candidate to serve.
//!
//! The values that matter are those that the policy's conditions name: one fact is changed to each of
//! them, then two, and the decision is taken again. Fewest changes come first. The work is bounded, so
//! that a policy of thousands of rules is answered as well, if not about every pair of facts.

mod vocabulary;

use std::fmt;
use std::sync::Arc;

use crate::candidate::Availability;
use crate::decision::{Decision, Verdict};
use crate::explain::dollars;
use crate::facts::FactValue;
use crate::mode::Mode;
use crate::replay::Record;
use crate::units::{Seconds, Usd};

/// Most decisions that are tried.
const MAX_TRIES: usize = 4_000;

/// What would have to be different for one candidate to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterfactual {
    /// The candidate: an index into the decision's table.
    pub candidate: usize,
    /// What it is, such as `cloud minilm fp32 at eu-west`.
    pub name: String,
    /// All of these together.
    pub changes: Vec<Change>,
}

/// One thing that would be different.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A fact.
    Fact {
        /// Its path.
        path: &'static str,
        /// What it is.
        from: FactValue,
        /// What it would be.
        to: FactValue,
    },
    /// The caller would not have said where.
    NoWish(Mode),
    /// The request would have come with no boundary.
    NoBoundary,
    /// The candidate could serve.
    Available,
    /// It would be predicted to take no longer than this.
    Latency(Seconds),
    /// It would be predicted to cost no more than this.
    Cost(Usd),
    /// Every signal could have been computed.
    NoFailure,
}

impl Decision {
    /// For each candidate that does not serve, the nearest change that would make it serve; those for
    /// which none was found are left out. Takes milliseconds: not for the path of a request.
    #[must_use]
    pub fn counterfactuals(&self) -> Vec<Counterfactual> {
        if self.advice.is_some() {
            // What a plug-in would have said is not known.
            return Vec::new();
        }
        let mut search = Search {
            decision: self,
            record: self.record(),
            tries: 0,
            found: vec![None; self.verdicts.len()],
        };
        search.cheaper();
        let changes = search.changes();
        for change in &changes {
            search.attempt(&[change]);
        }
        for (index, first) in changes.iter().enumerate() {
            for second in changes.iter().skip(index + 1) {
                if search.is_over() {
                    break;
                }
                if !first.collides(second) {
                    search.attempt(&[first, second]);
                }
            }
        }
        let named = |(candidate, changes): (usize, Option<Vec<Change>>)| {
            let one = self.candidate(candidate)?;
            let what = format!("{} {} {}", one.kind, one.model, one.variant);
            Some(Counterfactual {
                candidate,
                name: format!("{} at {}", what.trim_end(), one.site.name),
                changes: changes?,
            })
        };
        search
            .found
            .into_iter()
            .enumerate()
            .filter_map(named)
            .collect()
    }
}

struct Search<'d> {
    decision: &'d Decision,
    record: Record,
    tries: usize,
    /// For each candidate, the changes that were found first.
    found: Vec<Option<Vec<Change>>>,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        let all = self.found.iter().enumerate();
        let missing =
            all.filter(|(index, found)| found.is_none() && self.decision.chosen() != Ok(*index));
        self.tries >= MAX_TRIES || missing.count() == 0
    }

    /// Every single change that is worth trying.
    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let record = &self.record;
        if !record.facts.request.failed_signals.is_empty() {
            changes.push(Change::NoFailure);
        }
        if record.mode != Mode::Unstated {
            changes.push(Change::NoWish(record.mode));
        }
        if record.boundary < crate::boundary::Boundary::Cloud {
            changes.push(Change::NoBoundary);
        }
        let waits = |one: &crate::candidate::Candidate| one.availability != Availability::Ready;
        if record.candidates.iter().any(waits) {
            changes.push(Change::Available);
        }
        changes.extend(vocabulary::changes(&self.decision.policy.0, &record.facts));
        changes
    }

    fn attempt(&mut self, changes: &[&Change]) {
        if self.is_over() {
            return;
        }
        self.tries += 1;
        let mut record = self.record.clone();
        for change in changes {
            change.apply(&mut record);
        }
        let Ok(winner) = self.decision.policy.replay(&record).chosen() else {
            return;
        };
        if self.decision.chosen() != Ok(winner)
            && let Some(found @ None) = self.found.get_mut(winner)
        {
            *found = Some(changes.iter().copied().cloned().collect());
        }
    }

    /// What was admitted and is only worth less: how much better it would have to be.
    fn cheaper(&mut self) {
        let decision = self.decision;
        let Ok(best) = decision.chosen() else {
            return;
        };
        for index in decision.order().iter().copied().skip(1) {
            let (Some(mine), Some(its)) = (decision.score(best), decision.score(index)) else {
                continue;
            };
            let (Some(Verdict::Admitted { .. }), Some(candidate)) =
                (decision.verdicts.get(index), decision.candidate(index))
            else {
                continue;
            };
            let gap = its.total_usd - mine.total_usd;
            let per_second = decision.policy.0.objective.usd_per_second;
            let faster = candidate.prediction.latency.get() - gap / per_second;
            let change = if per_second > 0.0 && faster > 0.0 {
                Seconds::new(faster * 0.999).map(Change::Latency)
            } else {
                Usd::new((its.cost_usd - gap) * 0.999).map(Change::Cost)
            };
            let Some(change) = change else {
                continue;
            };
            let mut record = self.record.clone();
            if let Some(candidate) = record.candidates.get_mut(index) {
                if let Change::Latency(latency) = change {
                    candidate.prediction.latency = latency;
                } else {
                    candidate.prediction.cost = Usd::new((its.cost_usd - gap) * 0.999);
                }
            }
            if decision.policy.replay(&record).chosen() == Ok(index)
                && let Some(found) = self.found.get_mut(index)
            {
                *found = Some(vec![change]);
            }
        }
    }
}

impl Change {
    fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fact { path, .. }, Self::Fact { path: same, .. }) => path == same,
            _ => false,
        }
    }

    fn apply(&self, record: &mut Record) {
        match self {
            Self::Fact { path, to, .. } => {
                // The vocabulary proposes only what the field can be.
                let _ = record.facts.set(path, to.clone());
            }
            Self::NoWish(_) => record.mode = Mode::Unstated,
            Self::NoBoundary => record.boundary = crate::boundary::Boundary::Cloud,
            Self::NoFailure => record.facts.request.failed_signals.clear(),
            Self::Available => {
                for candidate in &mut record.candidates {
                    candidate.availability = Availability::Ready;
                }
            }
            Self::Latency(_) | Self::Cost(_) => {}
        }
    }
}

impl fmt::Display for Counterfactual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: Vec<String> = self.changes.iter().map(ToString::to_string).collect();
        write!(f, "{} would serve if {}", self.name, changes.join(" and "))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact { path, from, to } => match (from, to) {
                (FactValue::Texts(from), FactValue::Texts(to)) => {
                    let lacks = |of: &[Arc<str>], one: &Arc<str>| !of.contains(one);
                    let gone: Vec<_> = from.iter().filter(|one| lacks(to, one)).collect();
                    let new: Vec<_> = to.iter().filter(|one| lacks(from, one)).collect();
                    match (gone.as_slice(), new.as_slice()) {
                        ([], new) => write!(f, "{path} had {}", joined(new)),
                        (gone, []) => write!(f, "{path} had not {}", joined(gone)),
                        (gone, new) => {
                            write!(f, "{path} had {} and not {}", joined(new), joined(gone))
                        }
                    }
                }
                _ => write!(f, "{path} were {to} and not {from}"),
            },
            Self::NoWish(mode) => write!(f, "the caller's mode were not {}", mode.name()),
            Self::NoBoundary => f.write_str("the request had come without a boundary"),
            Self::Available => f.write_str("it could serve"),
            Self::NoFailure => f.write_str("every signal could have been computed"),
            Self::Latency(most) => write!(f, "it took under {:.1} ms", most.get() * 1e3),
            Self::Cost(most) => write!(f, "it cost under {} USD", dollars(most.get())),
        }
    }
}

fn joined(names: &[&Arc<str>]) -> String {
    let names: Vec<&str> = names.iter().map(|name| &***name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
