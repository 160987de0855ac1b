//! Whether a condition can hold for any facts at all, found by reasoning and not by trying.
//!
//! The condition is taken apart into the literals that would have to hold together (a semantic tableau,
//! with the literals about each fact held against each other as they come: Smullyan, First-Order Logic,
//! 1968). Every element that some list must have becomes one more unknown. Its invariants: `Never` is
//! answered only when every way was closed by a contradiction; `Holds` only with facts on which the
//! condition was evaluated and held; the work is bounded, and beyond the bound the answer is `Unknown`.

mod branch;
mod number;
mod text;

use self::branch::{Branch, Closed, Goal};
use crate::facts::Facts;
use crate::program::{Bool, Comparison, List, Text};

/// Most steps of one proof.
const MAX_STEPS: usize = 20_000;
/// Most ways that are open at a time.
const MAX_DEPTH: usize = 200;

/// Whether a condition can hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// It does for these facts.
    Holds(Box<Facts>),
    /// For no facts.
    Never,
    /// That could not be told.
    Unknown,
}

/// Whether all of these can hold together.
pub(crate) fn satisfiable<'b>(conditions: impl IntoIterator<Item = Claim<'b>>) -> Answer {
    let claims: Vec<Claim<'b>> = conditions.into_iter().collect();
    let mut branch = Branch::default();
    for claim in &claims {
        branch.push(Goal::new(claim.condition, claim.holds));
    }
    let mut search = Search {
        claims: &claims,
        steps: 0,
        unknown: false,
    };
    match search.explore(branch, 0) {
        Some(facts) => Answer::Holds(facts),
        None if search.unknown => Answer::Unknown,
        None => Answer::Never,
    }
}

/// A condition written so that it can be reasoned about: membership in terms of equality.
#[derive(Debug, Clone)]
pub(crate) struct Normal(Bool);

impl Normal {
    pub(crate) fn of(condition: &Bool) -> Self {
        Self(normal(condition, 0))
    }
}

/// A condition, and whether it is to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'b> {
    condition: &'b Bool,
    holds: bool,
}

impl<'b> Claim<'b> {
    pub(crate) const fn holds(condition: &'b Normal) -> Self {
        Self {
            condition: &condition.0,
            holds: true,
        }
    }

    pub(crate) const fn fails(condition: &'b Normal) -> Self {
        Self {
            condition: &condition.0,
            holds: false,
        }
    }
}

/// `depth` is how many lists are around.
fn normal(condition: &Bool, depth: usize) -> Bool {
    let all = |parts: &[Bool]| parts.iter().map(|part| normal(part, depth)).collect();
    let boxed = |part: &Bool, depth| Box::new(normal(part, depth));
    match condition {
        Bool::In(text, List::Const(texts)) => {
            let equal = |one: &std::sync::Arc<str>| {
                Bool::Texts(Comparison::Equal, text.clone(), Text::Const(one.clone()))
            };
            Bool::Or(texts.iter().map(equal).collect())
        }
        Bool::In(text, list @ List::Fact(_)) => {
            let element = Text::Element(depth);
            let equal = Bool::Texts(Comparison::Equal, element, text.clone());
            Bool::Exists(list.clone(), Box::new(equal))
        }
        Bool::Not(inner) => Bool::Not(boxed(inner, depth)),
        Bool::And(parts) => Bool::And(all(parts)),
        Bool::Or(parts) => Bool::Or(all(parts)),
        Bool::Same(a, b) => Bool::Same(boxed(a, depth), boxed(b, depth)),
        Bool::Exists(list, body) => Bool::Exists(list.clone(), boxed(body, depth + 1)),
        Bool::All(list, body) => Bool::All(list.clone(), boxed(body, depth + 1)),
        Bool::Const(_)
        | Bool::Fact(_)
        | Bool::Numbers(..)
        | Bool::Texts(..)
        | Bool::Match(..)
        | Bool::Matches(..) => condition.clone(),
    }
}

struct Search<'s, 'b> {
    claims: &'s [Claim<'b>],
    steps: usize,
    unknown: bool,
}

impl<'b> Search<'_, 'b> {
    /// Facts for which everything in the branch holds, if any way through it stays open.
    fn explore(&mut self, mut branch: Branch<'b>, depth: usize) -> Option<Box<Facts>> {
        self.steps += 1;
        if self.steps > MAX_STEPS || depth > MAX_DEPTH {
            self.unknown = true;
            return None;
        }
        if branch.settle(&mut self.steps) == Err(Closed) {
            return None;
        }
        let Some(choice) = branch.choose() else {
            return self.finish(branch, depth);
        };
        for goal in choice {
            let mut way = branch.clone();
            way.push(goal);
            if let Some(facts) = self.explore(way, depth + 1) {
                return Some(facts);
            }
        }
        None
    }

    /// Every literal stands together as far as is known: the facts are made and tried.
    fn finish(&mut self, branch: Branch<'b>, depth: usize) -> Option<Box<Facts>> {
        match branch.lacking() {
            // A list must have more elements than were asked for by name.
            Some(list) => {
                let mut grown = branch;
                grown.add_element(list);
                return self.explore(grown, depth + 1);
            }
            None if branch.is_overfull() == Err(Closed) => return None,
            None => {}
        }
        let facts = branch.facts().filter(|facts| {
            let held = |claim: &Claim<'_>| claim.condition.holds(facts.view()) == claim.holds;
            self.claims.iter().all(held)
        });
        self.unknown |= facts.is_none();
        facts.map(Box::new)
    }
}

#[cfg(test)]
mod tests;
