//! One way in which a condition might hold: what would have to be known of each fact.
//!
//! Its invariant: it is closed only when no facts at all are as it says.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::number::{Real, Whole};
use super::text::{Known, Trait};
use crate::facts::{FIELDS, FactValue, Facts};
use crate::program::{Bool, Comparison, List, Number, Text};

/// Most elements of all lists together that are reasoned about.
const MAX_ELEMENTS: usize = 24;

/// The way leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// An unknown text: a fact, an element of a list, or one that is written out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Fact(&'static str),
    Element(usize),
    Const(Arc<str>),
}

/// Something that must be so.
#[derive(Debug, Clone)]
pub(super) struct Goal<'b> {
    condition: &'b Bool,
    holds: bool,
    /// What the elements of the lists around stand for, the outermost first.
    scope: Vec<Subject>,
}

/// Ways, one of which must be open.
type Choice<'b> = Vec<Goal<'b>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Branch<'b> {
    pending: Vec<Goal<'b>>,
    choices: Vec<Choice<'b>>,
    truths: BTreeMap<&'static str, bool>,
    wholes: BTreeMap<&'static str, Whole>,
    reals: BTreeMap<&'static str, Real>,
    texts: BTreeMap<Subject, Known>,
    lists: BTreeMap<&'static str, Elements<'b>>,
    elements: usize,
}

/// What is known of a list.
#[derive(Debug, Clone)]
struct Elements<'b> {
    /// Elements that it must have.
    some: Vec<usize>,
    /// What each of its elements must be: a condition, whether it holds, and what is around.
    all: Vec<Goal<'b>>,
    size: Whole,
}

impl Default for Elements<'_> {
    fn default() -> Self {
        Self {
            some: Vec::new(),
            all: Vec::new(),
            size: Whole::within(0, i64::MAX),
        }
    }
}

impl<'b> Goal<'b> {
    pub(super) const fn new(condition: &'b Bool, holds: bool) -> Self {
        Self {
            condition,
            holds,
            scope: Vec::new(),
        }
    }

    fn of(&self, condition: &'b Bool, holds: bool) -> Self {
        Self {
            condition,
            holds,
            scope: self.scope.clone(),
        }
    }

    fn within(&self, condition: &'b Bool, element: Subject) -> Self {
        let mut scope = self.scope.clone();
        scope.push(element);
        Self {
            condition,
            holds: self.holds,
            scope,
        }
    }

    fn subject(&self, text: &Text) -> Option<Subject> {
        match text {
            Text::Const(text) => Some(Subject::Const(text.clone())),
            Text::Fact(fact) => Some(Subject::Fact(fact.field.path)),
            Text::Element(depth) => self.scope.get(*depth).cloned(),
        }
    }
}

impl<'b> Branch<'b> {
    pub(super) fn push(&mut self, goal: Goal<'b>) {
        self.pending.push(goal);
    }

    /// Takes apart all that can be without choosing.
    pub(super) fn settle(&mut self, steps: &mut usize) -> Result<(), Closed> {
        loop {
            while let Some(goal) = self.pending.pop() {
                *steps += 1;
                self.expand(goal)?;
            }
            // A choice that is down to one way is none.
            let mut forced = false;
            for mut choice in std::mem::take(&mut self.choices) {
                *steps += 1;
                if choice.iter().any(|goal| self.is_certain(goal)) {
                    continue;
                }
                choice.retain(|goal| self.is_open(goal));
                match choice.len() {
                    0 => return Err(Closed),
                    1 => {
                        self.pending.extend(choice);
                        forced = true;
                    }
                    _ => self.choices.push(choice),
                }
            }
            if !forced {
                return Ok(());
            }
        }
    }

    /// The choice with the fewest ways.
    pub(super) fn choose(&mut self) -> Option<Vec<Goal<'b>>> {
        let fewest = self
            .choices
            .iter()
            .enumerate()
            .min_by_key(|(_, choice)| choice.len());
        let at = fewest.map(|(at, _)| at)?;
        Some(self.choices.swap_remove(at))
    }

    fn expand(&mut self, goal: Goal<'b>) -> Result<(), Closed> {
        match (goal.condition, goal.holds) {
            (Bool::Const(value), holds) => return check(*value == holds),
            (Bool::Not(inner), holds) => self.push(goal.of(inner, !holds)),
            (Bool::And(parts), true) | (Bool::Or(parts), false) => {
                self.pending
                    .extend(parts.iter().map(|part| goal.of(part, goal.holds)));
            }
            (Bool::And(parts), false) | (Bool::Or(parts), true) => {
                let ways = parts.iter().map(|part| goal.of(part, goal.holds));
                self.choices.push(ways.collect());
            }
            (Bool::Same(a, b), holds) => self.same(&goal, a, b, holds),
            (Bool::Exists(list, body), true) | (Bool::All(list, body), false) => {
                return self.some(&goal, list, body);
            }
            (Bool::Exists(list, body), false) | (Bool::All(list, body), true) => {
                self.all(&goal, list, body);
            }
            (
                Bool::Fact(_)
                | Bool::Numbers(..)
                | Bool::Texts(..)
                | Bool::Match(..)
                | Bool::Matches(..)
                | Bool::In(..),
                _,
            ) => return self.literal(&goal),
        }
        Ok(())
    }

    /// Both or neither, or else one of them: written as choices that share no way.
    fn same(&mut self, goal: &Goal<'b>, a: &'b Bool, b: &'b Bool, same: bool) {
        self.choices.push(vec![goal.of(a, true), goal.of(b, !same)]);
        self.choices.push(vec![goal.of(a, false), goal.of(b, same)]);
    }

    /// Some element of the list is so, or is not so.
    fn some(&mut self, goal: &Goal<'b>, list: &'b List, body: &'b Bool) -> Result<(), Closed> {
        match list {
            List::Const(texts) => {
                let ways = texts
                    .iter()
                    .map(|text| goal.within(body, Subject::Const(text.clone())));
                let ways: Vec<_> = ways.collect();
                check(!ways.is_empty())?;
                self.choices.push(ways);
            }
            List::Fact(fact) => {
                let element = self.add_element(fact.field.path);
                self.push(goal.within(body, Subject::Element(element)));
            }
        }
        Ok(())
    }

    /// Every element of the list is so, or is not so.
    fn all(&mut self, goal: &Goal<'b>, list: &'b List, body: &'b Bool) {
        match list {
            List::Const(texts) => {
                let each = texts
                    .iter()
                    .map(|text| goal.within(body, Subject::Const(text.clone())));
                self.pending.extend(each);
            }
            List::Fact(fact) => {
                let known = self.lists.entry(fact.field.path).or_default();
                let of_each = goal.of(body, goal.holds);
                known.all.push(of_each.clone());
                let each = known
                    .some
                    .iter()
                    .map(|e| of_each.within(body, Subject::Element(*e)));
                self.pending.extend(each);
            }
        }
    }

    /// One more element of the list, which is as all of them must be.
    pub(super) fn add_element(&mut self, list: &'static str) -> usize {
        let element = self.elements;
        if element >= MAX_ELEMENTS {
            // What follows from the last one is not looked into: nothing is closed by that.
            return element;
        }
        self.elements += 1;
        let known = self.lists.entry(list).or_default();
        known.some.push(element);
        let each = known
            .all
            .iter()
            .map(|goal| goal.within(goal.condition, Subject::Element(element)));
        self.pending.extend(each);
        element
    }

    /// What a literal adds to what is known.
    fn update(&self, goal: &Goal<'b>) -> Result<Update, Closed> {
        match goal.condition {
            Bool::Fact(fact) => match self.truths.get(fact.field.path) {
                Some(known) => check(*known == goal.holds).map(|()| Update::Nothing),
                None => Ok(Update::Truth(fact.field.path, goal.holds)),
            },
            Bool::Numbers(how, a, b) => self.compare(how.that(goal.holds), a, b, goal),
            Bool::Texts(how, a, b) => match (goal.subject(a), goal.subject(b)) {
                (Some(Subject::Const(text)), Some(subject)) => {
                    self.described(subject, Trait::Compared(how.turned(), text), goal.holds)
                }
                (Some(subject), Some(Subject::Const(text))) => {
                    self.described(subject, Trait::Compared(*how, text), goal.holds)
                }
                (Some(a), Some(b)) if a == b => {
                    let same = how.holds(Some(std::cmp::Ordering::Equal));
                    check(same == goal.holds).map(|()| Update::Nothing)
                }
                _ => Ok(Update::Nothing),
            },
            Bool::Match(how, text, part) => match (goal.subject(text), goal.subject(part)) {
                (Some(subject), Some(Subject::Const(part))) => {
                    self.described(subject, Trait::Matching(*how, part), goal.holds)
                }
                _ => Ok(Update::Nothing),
            },
            Bool::Matches(text, expression) => match goal.subject(text) {
                Some(subject) => {
                    self.described(subject, Trait::Expression(expression.clone()), goal.holds)
                }
                None => Ok(Update::Nothing),
            },
            Bool::Const(_)
            | Bool::Not(_)
            | Bool::And(_)
            | Bool::Or(_)
            | Bool::Same(..)
            | Bool::In(..)
            | Bool::Exists(..)
            | Bool::All(..) => Ok(Update::Nothing),
        }
    }

    /// A comparison of numbers that holds.
    fn compare(
        &self,
        how: Comparison,
        a: &Number,
        b: &Number,
        goal: &Goal<'b>,
    ) -> Result<Update, Closed> {
        match (a, b) {
            (Number::Int(_) | Number::Double(_), Number::Int(_) | Number::Double(_)) => {
                let facts = Facts::default();
                check(goal.condition.holds(facts.view()) == goal.holds).map(|()| Update::Nothing)
            }
            (Number::Int(_) | Number::Double(_), other) => self.limit(how.turned(), other, a, goal),
            (number, limit @ (Number::Int(_) | Number::Double(_))) => {
                self.limit(how, number, limit, goal)
            }
            _ => Ok(Update::Nothing),
        }
    }

    fn limit(
        &self,
        how: Comparison,
        number: &Number,
        limit: &Number,
        goal: &Goal<'b>,
    ) -> Result<Update, Closed> {
        let whole = |mut known: Whole| {
            match limit {
                Number::Int(limit) => known.compare(how, *limit),
                Number::Double(limit) => known.compare_double(how, *limit),
                Number::IntFact(_)
                | Number::DoubleFact(_)
                | Number::ListSize(_)
                | Number::TextSize(_) => {}
            }
            check(known.any().is_some()).map(|()| known)
        };
        match number {
            Number::IntFact(fact) => {
                let path = fact.field.path;
                let known = self.wholes.get(path).cloned();
                let known = known.unwrap_or_else(|| Whole::within(0, most(path)));
                Ok(Update::Whole(path, whole(known)?))
            }
            Number::DoubleFact(fact) => {
                let path = fact.field.path;
                let mut known = self.reals.get(path).cloned().unwrap_or_default();
                let Some(limit) = exact(limit) else {
                    return Ok(Update::Nothing);
                };
                known.compare(how, limit);
                check(!known.is_none()).map(|()| Update::Real(path, known))
            }
            Number::ListSize(List::Fact(fact)) => {
                let path = fact.field.path;
                let known = self.lists.get(path).map(|list| list.size.clone());
                let known = known.unwrap_or_else(|| Whole::within(0, i64::MAX));
                Ok(Update::Size(path, whole(known)?))
            }
            Number::TextSize(text) => {
                let Some(subject) = goal.subject(text) else {
                    return Ok(Update::Nothing);
                };
                let mut known = self.known(&subject);
                known.size = whole(known.size)?;
                known.check().map_err(|_nothing| Closed)?;
                Ok(Update::Text(subject, Box::new(known)))
            }
            Number::ListSize(List::Const(_)) | Number::Int(_) | Number::Double(_) => {
                Ok(Update::Nothing)
            }
        }
    }

    fn described(&self, subject: Subject, what: Trait, holds: bool) -> Result<Update, Closed> {
        let mut known = self.known(&subject);
        known.add(what, holds).map_err(|_nothing| Closed)?;
        Ok(Update::Text(subject, Box::new(known)))
    }

    fn known(&self, subject: &Subject) -> Known {
        if let Subject::Const(text) = subject {
            return Known::exactly(text.clone());
        }
        self.texts.get(subject).cloned().unwrap_or_default()
    }

    fn literal(&mut self, goal: &Goal<'b>) -> Result<(), Closed> {
        match self.update(goal)? {
            Update::Nothing | Update::Text(Subject::Const(_), _) => {}
            Update::Truth(path, truth) => {
                self.truths.insert(path, truth);
            }
            Update::Whole(path, known) => {
                self.wholes.insert(path, known);
            }
            Update::Real(path, known) => {
                self.reals.insert(path, known);
            }
            Update::Text(subject, known) => {
                self.texts.insert(subject, *known);
            }
            Update::Size(path, size) => self.lists.entry(path).or_default().size = size,
        }
        Ok(())
    }

    /// Whether the goal may still be met, as far as one literal at a time can tell.
    fn is_open(&self, goal: &Goal<'b>) -> bool {
        let part = |condition: &'b Bool| self.is_open(&goal.of(condition, goal.holds));
        match (goal.condition, goal.holds) {
            (Bool::Const(value), holds) => *value == holds,
            (Bool::Not(inner), holds) => self.is_open(&goal.of(inner, !holds)),
            (Bool::And(parts), true) | (Bool::Or(parts), false) => parts.iter().all(part),
            (Bool::And(parts), false) | (Bool::Or(parts), true) => parts.iter().any(part),
            _ => self.update(goal).is_ok(),
        }
    }

    /// Whether the goal is met whatever the facts: its opposite is not open. Something that nothing is
    /// known of is never certain.
    fn is_certain(&self, goal: &Goal<'b>) -> bool {
        !self.is_open(&goal.of(goal.condition, !goal.holds))
    }

    /// A list that must have more elements than it has.
    pub(super) fn lacking(&self) -> Option<&'static str> {
        /// Longest list that is made up.
        const LONGEST: i64 = 16;
        let lacks = |known: &Elements<'_>| {
            let least = known.size.any().unwrap_or(0);
            least <= LONGEST && least > i64::try_from(known.some.len()).unwrap_or(i64::MAX)
        };
        let list = self.lists.iter().find(|(_, known)| lacks(known));
        list.map(|(path, _)| *path)
    }

    /// Whether some list that must be empty has an element.
    pub(super) fn is_overfull(&self) -> Result<(), Closed> {
        let full = |known: &Elements<'_>| known.size.most() <= 0 && !known.some.is_empty();
        check(!self.lists.values().any(full))
    }

    /// Facts that are as everything known says, if they are found.
    pub(super) fn facts(&self) -> Option<Facts> {
        let mut facts = Facts::default();
        for field in FIELDS {
            let path = field.path;
            let truth = self.truths.get(path).copied().map(FactValue::Bool);
            let whole = self
                .wholes
                .get(path)
                .map(|known| known.any().map(FactValue::Int));
            let real = self
                .reals
                .get(path)
                .map(|known| known.any().map(FactValue::Double));
            let text = self
                .texts
                .get(&Subject::Fact(path))
                .map(|known| known.any().map(FactValue::Text));
            let list = self.lists.get(path).map(|known| self.texts_of(known));
            let values = [truth.map(Some), whole, real, text, list];
            for value in values.into_iter().flatten() {
                facts.set(path, value?)?;
            }
        }
        Some(facts)
    }

    fn texts_of(&self, known: &Elements<'_>) -> Option<FactValue> {
        let element = |element: &usize| self.known(&Subject::Element(*element)).any();
        let mut texts = Vec::new();
        for text in known.some.iter().map(element) {
            let text = text?;
            // The same text can be what several elements must be.
            let fits = i64::try_from(texts.len()).unwrap_or(i64::MAX) >= known.size.least();
            if !(fits && texts.contains(&text)) {
                texts.push(text);
            }
        }
        Some(FactValue::Texts(texts))
    }
}

/// What a literal adds.
enum Update {
    Nothing,
    Truth(&'static str, bool),
    Whole(&'static str, Whole),
    Real(&'static str, Real),
    Text(Subject, Box<Known>),
    Size(&'static str, Whole),
}

/// The most that a whole fact can be.
fn most(path: &str) -> i64 {
    let mut facts = Facts::default();
    let large = facts.set(path, FactValue::Int(i64::MAX));
    large.map_or(i64::from(u32::MAX), |()| i64::MAX)
}

/// The number as a double, if it is one exactly.
fn exact(number: &Number) -> Option<f64> {
    /// Doubles up to here count whole numbers without gaps.
    const EXACT: u64 = 1 << 53;
    match number {
        Number::Double(value) => Some(*value),
        #[expect(clippy::cast_precision_loss, reason = "none is lost below the bound")]
        Number::Int(value) if value.unsigned_abs() <= EXACT => Some(*value as f64),
        Number::Int(_)
        | Number::IntFact(_)
        | Number::DoubleFact(_)
        | Number::ListSize(_)
        | Number::TextSize(_) => None,
    }
}

const fn check(holds: bool) -> Result<(), Closed> {
    if holds { Ok(()) } else { Err(Closed) }
}
