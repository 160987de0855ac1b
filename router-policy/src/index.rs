//! Which rules can hold for a request, without looking at each.
//!
//! A condition that needs a fact to have one of some values is filed under those, and one that needs
//! a number beyond a limit is sorted by the limit. For a request only what is filed under its own
//! values is evaluated; what could not be filed is evaluated always. Its invariant: it finds exactly
//! the rules whose condition holds, in the order of the policy.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is no constant is looked up by its keys"
)]

mod key;

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use self::key::{Key, Value, keys};
use crate::facts::{Texts, View};
use crate::policy::RuleId;
use crate::program::{Bool, Fact};

/// The rules that hold, in the order of the policy.
pub(crate) type Matched = SmallVec<[RuleId; 8]>;

/// Places of conditions in [`Index::live`].
type Places = SmallVec<[u16; 4]>;

type Table = IndexMap<Arc<str>, Places, FxBuildHasher>;

/// Conditions, laid out for looking them up by the facts of a request.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// What may hold, in the order of the policy; of what is filed, what its key leaves to be asked.
    live: Vec<(RuleId, Bool)>,
    /// Those that hold for every request.
    always: Vec<u16>,
    /// Those that must be looked at for every request.
    scanned: Vec<u16>,
    texts: Vec<Texted>,
    lists: Vec<Listed>,
    numbers: Vec<Numbered>,
}

/// Conditions that need a text to be one of some.
#[derive(Debug)]
struct Texted {
    fact: Fact<for<'f> fn(View<'f>) -> &'f str>,
    equal: Table,
}

/// Conditions that need a list to hold one of some texts, or one that begins with one of some.
#[derive(Debug)]
struct Listed {
    fact: Fact<for<'f> fn(View<'f>) -> Texts<'f>>,
    equal: Table,
    begins: Table,
    /// The lengths of the keys of `begins`, each once.
    lengths: SmallVec<[usize; 4]>,
}

/// Conditions that need a number to be at least or at most a limit, sorted by it.
#[derive(Debug)]
struct Numbered {
    fact: Fact<fn(View<'_>) -> i64>,
    at_least: Vec<(i64, u16)>,
    at_most: Vec<(i64, u16)>,
}

impl Index {
    /// Lays out what is left of each rule's condition.
    pub(crate) fn new(conditions: impl Iterator<Item = (RuleId, Bool)>) -> Self {
        let mut index = Self::default();
        for (id, condition) in conditions {
            // A policy has no more rules than ids, so that places fit as well.
            let place = u16::try_from(index.live.len()).unwrap_or(u16::MAX);
            let left = match condition {
                Bool::Const(false) => continue,
                Bool::Const(true) => {
                    index.always.push(place);
                    condition
                }
                other => match keys(&other) {
                    Some(keys) => {
                        let left = match keys.as_slice() {
                            [key] => key.left_of(other),
                            _ => other,
                        };
                        keys.into_iter().for_each(|key| index.file(place, key));
                        left
                    }
                    None => {
                        index.scanned.push(place);
                        other
                    }
                },
            };
            index.live.push((id, left));
        }
        for numbered in &mut index.numbers {
            numbered.at_least.sort_unstable();
            numbered.at_most.sort_unstable();
        }
        index
    }

    /// Finds the rules that hold.
    pub(crate) fn matched(&self, view: View<'_>) -> Matched {
        let mut found = Found {
            live: &self.live,
            view,
            bits: smallvec::smallvec![0; self.live.len().div_ceil(64)],
        };
        for place in &self.always {
            found.mark(*place);
        }
        found.try_all(&self.scanned);
        for Texted { fact, equal } in &self.texts {
            if let Some(places) = equal.get((fact.read)(view)) {
                found.try_all(places);
            }
        }
        for listed in &self.lists {
            for text in (listed.fact.read)(view).iter() {
                if let Some(places) = listed.equal.get(text) {
                    found.try_all(places);
                }
                for length in &listed.lengths {
                    let begin = text.get(..*length);
                    if let Some(places) = begin.and_then(|begin| listed.begins.get(begin)) {
                        found.try_all(places);
                    }
                }
            }
        }
        for Numbered {
            fact,
            at_least,
            at_most,
        } in &self.numbers
        {
            let value = (fact.read)(view);
            let below = at_least.partition_point(|(limit, _)| *limit <= value);
            for (_, place) in at_least.iter().take(below) {
                found.try_one(*place);
            }
            let below = at_most.partition_point(|(limit, _)| *limit < value);
            for (_, place) in at_most.iter().skip(below) {
                found.try_one(*place);
            }
        }
        found.rules()
    }

    fn file(&mut self, place: u16, key: Key) {
        match key {
            Key::Text(fact, values) => {
                let known = |one: &Texted| one.fact.field.path == fact.field.path;
                let at = position(&mut self.texts, known, || Texted {
                    fact,
                    equal: Table::default(),
                });
                for value in values {
                    self.texts[at].equal.entry(value).or_default().push(place);
                }
            }
            Key::List(fact, values) => {
                let known = |one: &Listed| one.fact.field.path == fact.field.path;
                let at = position(&mut self.lists, known, || Listed {
                    fact,
                    equal: Table::default(),
                    begins: Table::default(),
                    lengths: SmallVec::new(),
                });
                let listed = &mut self.lists[at];
                for value in values {
                    match value {
                        Value::Equal(text) => listed.equal.entry(text).or_default().push(place),
                        Value::Begins(text) => {
                            if !listed.lengths.contains(&text.len()) {
                                listed.lengths.push(text.len());
                            }
                            listed.begins.entry(text).or_default().push(place);
                        }
                    }
                }
            }
            Key::AtLeast(fact, limit) => self.numbered(fact).at_least.push((limit, place)),
            Key::AtMost(fact, limit) => self.numbered(fact).at_most.push((limit, place)),
        }
    }

    fn numbered(&mut self, fact: Fact<fn(View<'_>) -> i64>) -> &mut Numbered {
        let known = |one: &Numbered| one.fact.field.path == fact.field.path;
        let at = position(&mut self.numbers, known, || Numbered {
            fact,
            at_least: Vec::new(),
            at_most: Vec::new(),
        });
        &mut self.numbers[at]
    }
}

/// Where the one that fits stands; it is made where there is none.
fn position<T>(all: &mut Vec<T>, fits: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    all.iter().position(fits).unwrap_or_else(|| {
        all.push(make());
        all.len() - 1
    })
}

/// What was found to hold: one bit for each place.
struct Found<'i, 'f> {
    live: &'i [(RuleId, Bool)],
    view: View<'f>,
    bits: SmallVec<[u64; 16]>,
}

impl Found<'_, '_> {
    fn try_all(&mut self, places: &[u16]) {
        for place in places {
            self.try_one(*place);
        }
    }

    fn try_one(&mut self, place: u16) {
        if let Some((_, condition)) = self.live.get(usize::from(place))
            && condition.holds(self.view)
        {
            self.mark(place);
        }
    }

    fn mark(&mut self, place: u16) {
        if let Some(word) = self.bits.get_mut(usize::from(place / 64)) {
            *word |= 1 << (place % 64);
        }
    }

    fn rules(self) -> Matched {
        let count = self
            .bits
            .iter()
            .map(|bits| bits.count_ones() as usize)
            .sum();
        let mut matched = Matched::with_capacity(count);
        for (word, bits) in self.bits.iter().enumerate() {
            let mut left = *bits;
            while left != 0 {
                let at = word * 64 + left.trailing_zeros() as usize;
                matched.extend(self.live.get(at).map(|(id, _)| *id));
                left &= left - 1;
            }
        }
        matched
    }
}

#[cfg(test)]
mod tests;
