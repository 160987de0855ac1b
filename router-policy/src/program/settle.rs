//! Conditions under slow facts that hold for now: what looks only at those is replaced by its value,
//! and what that leaves is simplified. The result is the same condition for every request.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is no constant is kept as it is"
)]

use super::{Bool, List, Number, Text};
use crate::facts::{Field, View};

/// How much may change, from nothing to something.
trait Slow {
    /// Whether it reads slow facts at most, and no element of a list outside of the `inside` lists
    /// around.
    fn is_slow(&self, inside: usize) -> bool;
}

impl Bool {
    /// The condition with what `view` says of slow facts folded in.
    pub(crate) fn settled(&self, view: View<'_>) -> Self {
        self.fold(view, 0)
    }

    fn fold(&self, view: View<'_>, depth: usize) -> Self {
        if self.is_slow(depth) {
            return Self::Const(self.holds_within(view, depth));
        }
        match self {
            Self::Not(inner) => match inner.fold(view, depth) {
                Self::Const(value) => Self::Const(!value),
                inner => Self::Not(Box::new(inner)),
            },
            Self::And(parts) => {
                let parts = parts.iter().map(|part| part.fold(view, depth));
                combine(parts, false).map_or_else(Self::Const, Self::And)
            }
            Self::Or(parts) => {
                let parts = parts.iter().map(|part| part.fold(view, depth));
                combine(parts, true).map_or_else(Self::Const, Self::Or)
            }
            Self::Same(a, b) => match (a.fold(view, depth), b.fold(view, depth)) {
                (Self::Const(true), other) | (other, Self::Const(true)) => other,
                (Self::Const(false), other) | (other, Self::Const(false)) => {
                    Self::Not(Box::new(other))
                }
                (a, b) => Self::Same(Box::new(a), Box::new(b)),
            },
            Self::Exists(list, body) => match body.fold(view, depth + 1) {
                Self::Const(false) => Self::Const(false),
                body => Self::Exists(list.clone(), Box::new(body)),
            },
            Self::All(list, body) => match body.fold(view, depth + 1) {
                Self::Const(true) => Self::Const(true),
                body => Self::All(list.clone(), Box::new(body)),
            },
            Self::Const(_)
            | Self::Fact(_)
            | Self::Numbers(..)
            | Self::Texts(..)
            | Self::Match(..)
            | Self::Matches(..)
            | Self::In(..) => self.clone(),
        }
    }
}

/// The parts that matter, or the value of them all. `decisive` is the value that decides alone.
fn combine(parts: impl Iterator<Item = Bool>, decisive: bool) -> Result<Vec<Bool>, bool> {
    let mut left = Vec::new();
    for part in parts {
        match part {
            Bool::Const(value) if value == decisive => return Err(decisive),
            Bool::Const(_) => {}
            part => left.push(part),
        }
    }
    if left.is_empty() {
        return Err(!decisive);
    }
    Ok(left)
}

impl Slow for Bool {
    fn is_slow(&self, inside: usize) -> bool {
        match self {
            Self::Const(_) => true,
            Self::Fact(fact) => fact.field.is_slow(),
            Self::Not(inner) => inner.is_slow(inside),
            Self::And(parts) | Self::Or(parts) => parts.iter().all(|part| part.is_slow(inside)),
            Self::Same(a, b) => a.is_slow(inside) && b.is_slow(inside),
            Self::Numbers(_, a, b) => a.is_slow(inside) && b.is_slow(inside),
            Self::Texts(_, a, b) | Self::Match(_, a, b) => a.is_slow(inside) && b.is_slow(inside),
            Self::Matches(text, _) => text.is_slow(inside),
            Self::In(text, list) => text.is_slow(inside) && list.is_slow(inside),
            Self::Exists(list, body) | Self::All(list, body) => {
                list.is_slow(inside) && body.is_slow(inside)
            }
        }
    }
}

impl Slow for Number {
    fn is_slow(&self, inside: usize) -> bool {
        match self {
            Self::Int(_) | Self::Double(_) => true,
            Self::IntFact(fact) => fact.field.is_slow(),
            Self::DoubleFact(fact) => fact.field.is_slow(),
            Self::ListSize(list) => list.is_slow(inside),
            Self::TextSize(text) => text.is_slow(inside),
        }
    }
}

impl Slow for Text {
    fn is_slow(&self, inside: usize) -> bool {
        match self {
            Self::Const(_) => true,
            Self::Fact(fact) => fact.field.is_slow(),
            // Whether a list deeper in is slow was asked where it stands.
            Self::Element(depth) => *depth >= inside,
        }
    }
}

impl Slow for List {
    fn is_slow(&self, _inside: usize) -> bool {
        match self {
            Self::Const(_) => true,
            Self::Fact(fact) => fact.field.is_slow(),
        }
    }
}

/// Calls `found` with every field that the condition reads, in the order in which they stand.
pub(crate) fn reads(condition: &Bool, found: &mut impl FnMut(&'static Field)) {
    match condition {
        Bool::Const(_) => {}
        Bool::Fact(fact) => found(fact.field),
        Bool::Not(inner) => reads(inner, found),
        Bool::And(parts) | Bool::Or(parts) => parts.iter().for_each(|part| reads(part, found)),
        Bool::Same(a, b) => {
            reads(a, found);
            reads(b, found);
        }
        Bool::Numbers(_, a, b) => {
            number_reads(a, found);
            number_reads(b, found);
        }
        Bool::Texts(_, a, b) | Bool::Match(_, a, b) => {
            text_reads(a, found);
            text_reads(b, found);
        }
        Bool::Matches(text, _) => text_reads(text, found),
        Bool::In(text, list) => {
            text_reads(text, found);
            list_reads(list, found);
        }
        Bool::Exists(list, body) | Bool::All(list, body) => {
            list_reads(list, found);
            reads(body, found);
        }
    }
}

fn number_reads(number: &Number, found: &mut impl FnMut(&'static Field)) {
    match number {
        Number::Int(_) | Number::Double(_) => {}
        Number::IntFact(fact) => found(fact.field),
        Number::DoubleFact(fact) => found(fact.field),
        Number::ListSize(list) => list_reads(list, found),
        Number::TextSize(text) => text_reads(text, found),
    }
}

fn text_reads(text: &Text, found: &mut impl FnMut(&'static Field)) {
    if let Text::Fact(fact) = text {
        found(fact.field);
    }
}

fn list_reads(list: &List, found: &mut impl FnMut(&'static Field)) {
    if let List::Fact(fact) = list {
        found(fact.field);
    }
}
