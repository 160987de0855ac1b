//! The values that a policy's conditions tell apart, as changes to facts.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "other shapes name no constants of their own"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Change;
use crate::facts::{FIELDS, FactValue, Facts, Field};
use crate::policy::Parts;
use crate::program::{Bool, List, Number, Text};

/// Most values that are tried for one fact.
const MAX_VALUES: usize = 24;

/// Every change of one fact that a condition could notice.
pub(super) fn changes(parts: &Parts, facts: &Facts) -> Vec<Change> {
    let mut named = Named::default();
    for rule in &parts.rules {
        named.condition(&rule.when);
    }
    let mut changes = Vec::new();
    for field in FIELDS {
        let from = field.value(facts.view());
        let Some(constants) = named.0.get(field.path) else {
            continue;
        };
        let mut values = alternatives(&from, constants);
        values.retain(|value| {
            *value != from && facts.clone().set(field.path, value.clone()).is_some()
        });
        values.truncate(MAX_VALUES);
        changes.extend(values.into_iter().map(|to| Change::Fact {
            path: field.path,
            from: from.clone(),
            to,
        }));
    }
    changes
}

fn alternatives(from: &FactValue, constants: &Constants) -> Vec<FactValue> {
    match from {
        FactValue::Bool(value) => vec![FactValue::Bool(!value)],
        FactValue::Int(value) => {
            let mut near = constants.ints.clone();
            near.sort_unstable_by_key(|constant| constant.abs_diff(*value));
            let around = |constant: i64| {
                [
                    constant,
                    constant.saturating_sub(1),
                    constant.saturating_add(1),
                ]
            };
            let mut all: Vec<i64> = near.into_iter().flat_map(around).collect();
            all.sort_by_key(|constant| constant.abs_diff(*value));
            all.dedup();
            all.into_iter().map(FactValue::Int).collect()
        }
        FactValue::Double(value) => {
            let around = |constant: &f64| [*constant, constant - 1.0, constant + 1.0];
            let mut all: Vec<f64> = constants.doubles.iter().flat_map(around).collect();
            all.sort_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs()));
            all.into_iter().map(FactValue::Double).collect()
        }
        FactValue::Text(_) => {
            let other = std::iter::once(Arc::from(""));
            let all = constants.texts.iter().cloned().chain(other);
            all.map(FactValue::Text).collect()
        }
        FactValue::Texts(values) => {
            let without = values.iter().map(|gone| {
                values
                    .iter()
                    .filter(|one| *one != gone)
                    .cloned()
                    .collect::<Vec<_>>()
            });
            let none = (values.len() > 1).then(Vec::new);
            let with = constants
                .texts
                .iter()
                .map(|new| values.iter().chain([new]).cloned().collect::<Vec<_>>());
            without
                .chain(none)
                .chain(with)
                .map(FactValue::Texts)
                .collect()
        }
    }
}

/// The constants that one fact is held against.
#[derive(Default)]
struct Constants {
    ints: Vec<i64>,
    doubles: Vec<f64>,
    texts: Vec<Arc<str>>,
}

/// The constants of each fact, by its path.
#[derive(Default)]
struct Named(BTreeMap<&'static str, Constants>);

impl Named {
    fn of(&mut self, field: &'static Field) -> &mut Constants {
        self.0.entry(field.path).or_default()
    }

    fn text(&mut self, field: &'static Field, text: &Arc<str>) {
        let texts = &mut self.of(field).texts;
        if !texts.contains(text) {
            texts.push(text.clone());
        }
    }

    fn condition(&mut self, condition: &Bool) {
        match condition {
            Bool::Const(_) => {}
            Bool::Fact(fact) => {
                self.of(fact.field);
            }
            Bool::Not(inner) => self.condition(inner),
            Bool::And(parts) | Bool::Or(parts) => {
                parts.iter().for_each(|part| self.condition(part));
            }
            Bool::Same(a, b) => {
                self.condition(a);
                self.condition(b);
            }
            Bool::Numbers(_, a, b) => self.numbers(a, b),
            Bool::Texts(_, a, b) | Bool::Match(_, a, b) => self.texts(a, b, None),
            Bool::Matches(..) => {}
            Bool::In(Text::Const(text), List::Fact(fact)) => self.text(fact.field, text),
            Bool::In(Text::Fact(fact), List::Const(texts)) => {
                texts.iter().for_each(|text| self.text(fact.field, text));
            }
            Bool::In(..) => {}
            Bool::Exists(List::Fact(fact), body) | Bool::All(List::Fact(fact), body) => {
                self.of(fact.field);
                self.element(fact.field, body);
            }
            Bool::Exists(List::Const(_), body) | Bool::All(List::Const(_), body) => {
                self.condition(body);
            }
        }
    }

    /// What the elements of a list are held against.
    fn element(&mut self, list: &'static Field, body: &Bool) {
        match body {
            Bool::Not(inner) => self.element(list, inner),
            Bool::And(parts) | Bool::Or(parts) => {
                parts.iter().for_each(|part| self.element(list, part));
            }
            Bool::Texts(_, a, b) | Bool::Match(_, a, b) => self.texts(a, b, Some(list)),
            Bool::In(Text::Element(_), List::Const(texts)) => {
                texts.iter().for_each(|text| self.text(list, text));
            }
            other => self.condition(other),
        }
    }

    fn numbers(&mut self, a: &Number, b: &Number) {
        match (a, b) {
            (Number::IntFact(fact), Number::Int(value))
            | (Number::Int(value), Number::IntFact(fact)) => {
                self.of(fact.field).ints.push(*value);
            }
            (Number::DoubleFact(fact), Number::Double(value))
            | (Number::Double(value), Number::DoubleFact(fact)) => {
                self.of(fact.field).doubles.push(*value);
            }
            (Number::DoubleFact(fact), Number::Int(value))
            | (Number::Int(value), Number::DoubleFact(fact)) => {
                #[expect(clippy::cast_precision_loss, reason = "a value near it is as good")]
                self.of(fact.field).doubles.push(*value as f64);
            }
            _ => {}
        }
    }

    fn texts(&mut self, a: &Text, b: &Text, list: Option<&'static Field>) {
        match (a, b, list) {
            (Text::Fact(fact), Text::Const(text), _) | (Text::Const(text), Text::Fact(fact), _) => {
                self.text(fact.field, text);
            }
            (Text::Element(_), Text::Const(text), Some(list))
            | (Text::Const(text), Text::Element(_), Some(list)) => self.text(list, text),
            _ => {}
        }
    }
}
