//! What a condition needs: the values of one fact without which it cannot hold.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::facts::{Texts, View};
use crate::program::{Bool, Comparison, Fact, List, Matching, Number, Text};

/// What one fact must be for a condition to hold. It may fail to hold all the same.
pub(super) enum Key {
    /// The text is one of these.
    Text(Fact<for<'f> fn(View<'f>) -> &'f str>, Vec<Arc<str>>),
    /// The list has an element that is one of these.
    List(
        Fact<for<'f> fn(View<'f>) -> Texts<'f>>,
        SmallVec<[Value; 2]>,
    ),
    AtLeast(Fact<fn(View<'_>) -> i64>, i64),
    AtMost(Fact<fn(View<'_>) -> i64>, i64),
}

/// What an element of a list is.
#[derive(PartialEq, Eq)]
pub(super) enum Value {
    Equal(Arc<str>),
    Begins(Arc<str>),
}

impl Key {
    /// How few requests it lets through, as a rule: the more the better.
    const fn selectivity(&self) -> u8 {
        match self {
            Self::Text(..) => 3,
            Self::List(..) => 2,
            Self::AtLeast(..) | Self::AtMost(..) => 1,
        }
    }
}

/// What the condition needs, if that can be told from its shape.
pub(super) fn key(condition: &Bool) -> Option<Key> {
    match condition {
        Bool::And(parts) => parts.iter().filter_map(key).max_by_key(Key::selectivity),
        Bool::Or(parts) => parts.iter().map(key).reduce(either)?,
        Bool::Texts(Comparison::Equal, Text::Fact(fact), Text::Const(text))
        | Bool::Texts(Comparison::Equal, Text::Const(text), Text::Fact(fact)) => {
            Some(Key::Text(*fact, vec![text.clone()]))
        }
        Bool::In(Text::Fact(fact), List::Const(texts)) => Some(Key::Text(*fact, texts.to_vec())),
        Bool::In(Text::Const(text), List::Fact(fact)) => Some(Key::List(
            *fact,
            smallvec::smallvec![Value::Equal(text.clone())],
        )),
        Bool::Exists(List::Fact(fact), body) => Some(Key::List(*fact, element(body, 0)?)),
        Bool::Numbers(how, Number::IntFact(fact), Number::Int(limit)) => {
            number(*how, *fact, *limit)
        }
        Bool::Numbers(how, Number::Int(limit), Number::IntFact(fact)) => {
            number(how.turned(), *fact, *limit)
        }
        Bool::Const(_)
        | Bool::Fact(_)
        | Bool::Not(_)
        | Bool::Same(..)
        | Bool::Numbers(..)
        | Bool::Texts(..)
        | Bool::Match(..)
        | Bool::Matches(..)
        | Bool::In(..)
        | Bool::Exists(..)
        | Bool::All(..) => None,
    }
}

/// Both, where either is enough: they must be about the same fact.
fn either(a: Option<Key>, b: Option<Key>) -> Option<Key> {
    match (a?, b?) {
        (Key::Text(a, mut values), Key::Text(b, more)) if a.field.path == b.field.path => {
            values.extend(more);
            Some(Key::Text(a, values))
        }
        (Key::List(a, mut values), Key::List(b, more)) if a.field.path == b.field.path => {
            values.extend(more);
            Some(Key::List(a, values))
        }
        (Key::AtLeast(a, limit), Key::AtLeast(b, other)) if a.field.path == b.field.path => {
            Some(Key::AtLeast(a, limit.min(other)))
        }
        (Key::AtMost(a, limit), Key::AtMost(b, other)) if a.field.path == b.field.path => {
            Some(Key::AtMost(a, limit.max(other)))
        }
        _ => None,
    }
}

/// What the element that the list at `depth` stands at must be.
fn element(body: &Bool, depth: usize) -> Option<SmallVec<[Value; 2]>> {
    match body {
        Bool::And(parts) => parts.iter().find_map(|part| element(part, depth)),
        Bool::Or(parts) => {
            let mut values = SmallVec::new();
            for part in parts {
                values.extend(element(part, depth)?);
            }
            Some(values)
        }
        Bool::Texts(Comparison::Equal, Text::Element(at), Text::Const(text))
        | Bool::Texts(Comparison::Equal, Text::Const(text), Text::Element(at))
            if *at == depth =>
        {
            Some(smallvec::smallvec![Value::Equal(text.clone())])
        }
        Bool::In(Text::Element(at), List::Const(texts)) if *at == depth => {
            Some(texts.iter().cloned().map(Value::Equal).collect())
        }
        Bool::Match(Matching::StartsWith, Text::Element(at), Text::Const(text)) if *at == depth => {
            Some(smallvec::smallvec![Value::Begins(text.clone())])
        }
        _ => None,
    }
}

fn number(how: Comparison, fact: Fact<fn(View<'_>) -> i64>, limit: i64) -> Option<Key> {
    match how {
        Comparison::GreaterOrEqual => Some(Key::AtLeast(fact, limit)),
        Comparison::Greater => Some(Key::AtLeast(fact, limit.checked_add(1)?)),
        Comparison::LessOrEqual => Some(Key::AtMost(fact, limit)),
        Comparison::Less => Some(Key::AtMost(fact, limit.checked_sub(1)?)),
        Comparison::Equal | Comparison::NotEqual => None,
    }
}
