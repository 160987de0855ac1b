//! What a condition needs: the values of one fact without which it cannot hold.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a shape that is not known has no key"
)]

use std::sync::Arc;

use smallvec::SmallVec;

use crate::facts::{Texts, View};
use crate::program::{Bool, Comparison, Fact, List, Matching, Number, Text};

/// Keys of which a condition needs one.
pub(super) type Keys = SmallVec<[Key; 1]>;

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
    /// What is left to be asked of a condition once this is known to hold.
    pub(super) fn left_of(&self, condition: Bool) -> Bool {
        match (&condition, self) {
            (Bool::Texts(..), Self::Text(..))
            | (Bool::In(..), Self::Text(..) | Self::List(..))
            | (Bool::Numbers(..), Self::AtLeast(..) | Self::AtMost(..)) => Bool::Const(true),
            _ => condition,
        }
    }

    /// How few requests it lets through, as a rule: the more the better.
    const fn selectivity(&self) -> u8 {
        match self {
            Self::Text(..) => 3,
            Self::List(..) => 2,
            Self::AtLeast(..) | Self::AtMost(..) => 1,
        }
    }
}

/// What the condition needs: one of these keys, if that can be told from its shape.
pub(super) fn keys(condition: &Bool) -> Option<Keys> {
    match condition {
        Bool::And(parts) => {
            let keys = parts.iter().filter_map(keys);
            // Ways in which it may hold count against it.
            keys.max_by_key(|keys| {
                let least = keys.iter().map(Key::selectivity).min();
                (least, std::cmp::Reverse(keys.len()))
            })
        }
        Bool::Or(parts) => {
            let mut all = Keys::new();
            for part in parts {
                all.extend(keys(part)?);
            }
            Some(all)
        }
        other => key(other).map(|key| smallvec::smallvec![key]),
    }
}

fn key(condition: &Bool) -> Option<Key> {
    match condition {
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
        | Bool::And(_)
        | Bool::Or(_)
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
