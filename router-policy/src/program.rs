//! Conditions as they are evaluated: typed expressions over typed facts.
//!
//! Nothing here can fail at run time. What could (arithmetic that overflows, an index out of range,
//! a value of the wrong type) is refused when a policy is compiled.

mod settle;

use std::cmp::Ordering;
use std::sync::Arc;

use regex::Regex;
use smallvec::SmallVec;

use crate::facts::{Field, Texts, View};

pub(crate) use self::settle::reads;

/// The elements that the lists around an expression stand at, the outermost first.
pub(crate) type Scope<'f> = SmallVec<[&'f str; 2]>;

/// A fact, and how it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fact<R> {
    pub(crate) field: &'static Field,
    pub(crate) read: R,
}

/// A condition.
#[derive(Debug, Clone)]
pub(crate) enum Bool {
    Const(bool),
    Fact(Fact<fn(View<'_>) -> bool>),
    Not(Box<Bool>),
    And(Vec<Bool>),
    Or(Vec<Bool>),
    /// Whether both are the same.
    Same(Box<Bool>, Box<Bool>),
    Numbers(Comparison, Number, Number),
    Texts(Comparison, Text, Text),
    Match(Matching, Text, Text),
    /// Whether the expression is found in the text.
    Matches(Text, Regex),
    In(Text, List),
    Exists(List, Box<Bool>),
    All(List, Box<Bool>),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How a text is looked for in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matching {
    StartsWith,
    EndsWith,
    Contains,
}

/// A number. Whole ones and others compare by value, as CEL has it.
#[derive(Debug, Clone)]
pub(crate) enum Number {
    Int(i64),
    Double(f64),
    IntFact(Fact<fn(View<'_>) -> i64>),
    DoubleFact(Fact<fn(View<'_>) -> f64>),
    /// How many elements a list has.
    ListSize(List),
    /// How many characters a text has.
    TextSize(Text),
}

/// A text.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Const(Arc<str>),
    Fact(Fact<for<'f> fn(View<'f>) -> &'f str>),
    /// The element that the list at this depth stands at.
    Element(usize),
}

/// A list of texts.
#[derive(Debug, Clone)]
pub(crate) enum List {
    Const(Arc<[Arc<str>]>),
    Fact(Fact<for<'f> fn(View<'f>) -> Texts<'f>>),
}

impl Bool {
    /// Whether the condition holds for these facts.
    pub(crate) fn holds(&self, view: View<'_>) -> bool {
        self.eval(view, &mut Scope::new())
    }

    /// Whether it holds, for a part that reads no element of the `depth` lists around it.
    fn holds_within(&self, view: View<'_>, depth: usize) -> bool {
        self.eval(view, &mut smallvec::smallvec![""; depth])
    }

    fn eval<'f>(&'f self, view: View<'f>, scope: &mut Scope<'f>) -> bool {
        match self {
            Self::Const(value) => *value,
            Self::Fact(fact) => (fact.read)(view),
            Self::Not(inner) => !inner.eval(view, scope),
            Self::And(parts) => parts.iter().all(|part| part.eval(view, scope)),
            Self::Or(parts) => parts.iter().any(|part| part.eval(view, scope)),
            Self::Same(a, b) => a.eval(view, scope) == b.eval(view, scope),
            Self::Numbers(how, a, b) => {
                let ordering = a.value(view, scope).compare(b.value(view, scope));
                how.holds(ordering)
            }
            Self::Texts(how, a, b) => {
                how.holds(Some(a.value(view, scope).cmp(b.value(view, scope))))
            }
            Self::Match(how, text, part) => {
                how.holds(text.value(view, scope), part.value(view, scope))
            }
            Self::Matches(text, expression) => expression.is_match(text.value(view, scope)),
            Self::In(text, list) => {
                let text = text.value(view, scope);
                list.value(view).iter().any(|element| element == text)
            }
            Self::Exists(list, body) => list
                .value(view)
                .iter()
                .any(|e| body.eval_at(e, view, scope)),
            Self::All(list, body) => list
                .value(view)
                .iter()
                .all(|e| body.eval_at(e, view, scope)),
        }
    }

    fn eval_at<'f>(&'f self, element: &'f str, view: View<'f>, scope: &mut Scope<'f>) -> bool {
        scope.push(element);
        let holds = self.eval(view, scope);
        scope.pop();
        holds
    }
}

impl Comparison {
    /// The comparison with its sides exchanged.
    pub(crate) const fn turned(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// The comparison itself, or the one that holds when it does not. Of numbers that are numbers.
    pub(crate) const fn that(self, holds: bool) -> Self {
        if holds {
            return self;
        }
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// `None` is a comparison with what is not a number: only "not equal" holds.
    pub(crate) fn holds(self, ordering: Option<Ordering>) -> bool {
        let Some(ordering) = ordering else {
            return self == Self::NotEqual;
        };
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Matching {
    pub(crate) fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        }
    }
}

/// A number at run time.
#[derive(Debug, Clone, Copy)]
enum Value {
    Int(i64),
    Double(f64),
}

impl Value {
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Double(b)) => compare_mixed(a, b),
            (Self::Double(a), Self::Int(b)) => compare_mixed(b, a).map(Ordering::reverse),
        }
    }
}

/// Compares by value, exactly: an i64 does not fit a double, so the double is brought to the
/// integers instead.
fn compare_mixed(int: i64, double: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double < -BEYOND {
        return Some(Ordering::Greater);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within the range of i64, as checked above"
    )]
    let whole = double.trunc() as i64;
    let rest = || {
        0.0_f64
            .partial_cmp(&double.fract())
            .unwrap_or(Ordering::Equal)
    };
    Some(int.cmp(&whole).then_with(rest))
}

impl Number {
    fn value<'f>(&'f self, view: View<'f>, scope: &Scope<'f>) -> Value {
        let count = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        match self {
            Self::Int(value) => Value::Int(*value),
            Self::Double(value) => Value::Double(*value),
            Self::IntFact(fact) => Value::Int((fact.read)(view)),
            Self::DoubleFact(fact) => Value::Double((fact.read)(view)),
            Self::ListSize(list) => count(list.value(view).len()),
            Self::TextSize(text) => count(text.value(view, scope).chars().count()),
        }
    }
}

impl Text {
    fn value<'f>(&'f self, view: View<'f>, scope: &Scope<'f>) -> &'f str {
        match self {
            Self::Const(text) => text,
            Self::Fact(fact) => (fact.read)(view),
            Self::Element(depth) => scope.get(*depth).copied().unwrap_or_default(),
        }
    }
}

impl List {
    fn value<'f>(&'f self, view: View<'f>) -> Texts<'f> {
        match self {
            Self::Const(texts) => Texts::Names(texts),
            Self::Fact(fact) => (fact.read)(view),
        }
    }
}
