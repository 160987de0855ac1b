//! Documents to one policy: what a set includes is laid over each other.
//!
//! Its invariant: what is laid over a policy only narrows it. Its rules are added, its default and its
//! `onError` become rules, and it has no objective of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::boundary::Boundary;
use crate::compile::compile;
use crate::diagnostics::{Diagnostics, Reporter, Span, shortened};
use crate::document::{self, Located, Name, Objective, PolicyText, Resource, SetText, TestText};
use crate::effect::Effects;
use crate::facts::field_at;
use crate::hash::PolicyHash;
use crate::policy::{Budget, Parts, Place, Rule, Source};
use crate::program::{Bool, Fact, List, Text};

/// Most rules, those of all policies together.
const MAX_RULES: usize = 20_000;
/// Most sets within sets.
const MAX_DEPTH: usize = 8;

/// Everything that was read from some sources.
#[derive(Debug)]
pub(crate) struct Loaded<'s> {
    reports: Vec<Reporter<'s>>,
    named: BTreeMap<Arc<str>, (usize, Document)>,
    pub(crate) tests: Vec<(usize, TestText)>,
}

/// What can be decided by.
#[derive(Debug)]
enum Document {
    Policy(Compiled),
    Set(Vec<Include>),
}

#[derive(Debug)]
struct Include {
    policy: Name,
    when: Bool,
}

/// A policy with its conditions compiled.
#[derive(Debug)]
struct Compiled {
    objective: Option<(Objective, Span)>,
    rules: Vec<(Arc<str>, Span, Bool, Effects)>,
    budgets: Vec<Budget>,
    default_boundary: Option<Boundary>,
    on_error: Option<Boundary>,
}

impl<'s> Loaded<'s> {
    /// Reads every source; what is wrong is kept until [`Loaded::finish`].
    pub(crate) fn read(sources: &[Source<'s>]) -> Self {
        let mut loaded = Self {
            reports: Vec::new(),
            named: BTreeMap::new(),
            tests: Vec::new(),
        };
        for source in sources {
            let mut report = Reporter::new(source.name, source.text);
            let resources = document::read(source.text, &mut report);
            let at = loaded.reports.len();
            loaded.reports.push(report);
            for resource in resources {
                loaded.add(at, resource);
            }
        }
        loaded
    }

    fn add(&mut self, source: usize, resource: Resource) {
        let Some(report) = self.reports.get_mut(source) else {
            return;
        };
        let (name, document) = match resource {
            Resource::Test(test) => return self.tests.push((source, test)),
            Resource::Policy(policy) => {
                let name = policy.name.clone();
                (name, Document::Policy(Compiled::new(policy, report)))
            }
            Resource::Set(set) => {
                let name = set.name.clone();
                (name, Document::Set(includes(set, report)))
            }
        };
        if self.named.contains_key(&name.text) {
            let message = format!("a second policy named `{}`", name.text);
            report.error(name.span, message);
            return;
        }
        self.named.insert(name.text, (source, document));
    }

    /// Whether nothing was found that keeps the sources from being used.
    pub(crate) fn is_clean(&self) -> bool {
        self.reports.iter().all(Reporter::is_clean)
    }

    /// Everything that was found.
    pub(crate) fn finish(self) -> Diagnostics {
        Diagnostics::gather(self.reports)
    }

    pub(crate) fn error(&mut self, place: Place, message: String, help: impl Into<String>) {
        if let Some(report) = self.reports.get_mut(place.source) {
            report.error_with_help(place.span, message, help);
        }
    }

    pub(crate) fn warn(&mut self, place: Place, message: String, help: impl Into<String>) {
        if let Some(report) = self.reports.get_mut(place.source) {
            report.warn(place.span, message, help);
        }
    }

    /// What decides: the policy or set of that name, or the only one that can be meant.
    pub(crate) fn entry(&mut self, wanted: Option<&str>) -> Option<Arc<str>> {
        if let Some(wanted) = wanted {
            if let Some((name, _)) = self.named.get_key_value(wanted) {
                return Some(name.clone());
            }
            let known: Vec<Arc<str>> = self.named.keys().cloned().collect();
            let known = known.iter().map(|name| &**name);
            let start = Span { start: 0, end: 0 };
            self.reports
                .first_mut()?
                .unknown(start, "policy", wanted, known);
            return None;
        }
        let mut included: BTreeSet<&str> = BTreeSet::new();
        for (_, document) in self.named.values() {
            if let Document::Set(includes) = document {
                included.extend(includes.iter().map(|include| &*include.policy.text));
            }
        }
        let free = self
            .named
            .iter()
            .filter(|(name, _)| !included.contains(&***name));
        let (sets, policies): (Vec<_>, Vec<_>) =
            free.partition(|(_, (_, document))| matches!(document, Document::Set(_)));
        let meant = if sets.is_empty() { policies } else { sets };
        if let [(name, _)] = meant.as_slice() {
            return Some((*name).clone());
        }
        if self.is_clean() {
            let names: Vec<&str> = meant.iter().map(|(name, _)| &***name).collect();
            let message = match names.as_slice() {
                [] => "there is no policy here, expected a PlacementPolicy".to_owned(),
                names => format!(
                    "several policies could decide, name one: {}",
                    names.join(", ")
                ),
            };
            let start = Span { start: 0, end: 0 };
            self.reports.first_mut()?.error(start, message);
        }
        None
    }

    /// Lays everything that `entry` includes over each other.
    pub(crate) fn link(&mut self, entry: &Arc<str>) -> Option<Parts> {
        let mut linked = Linked {
            named: &self.named,
            reports: &mut self.reports,
            path: Vec::new(),
            seen: BTreeSet::new(),
            sources: Vec::new(),
            base: None,
            rules: Vec::new(),
            budgets: Vec::new(),
        };
        let (source, _) = linked.named.get(entry)?;
        let place = Place {
            source: *source,
            span: Span { start: 0, end: 0 },
        };
        linked.add(entry, &Bool::Const(true), place);
        linked.check_names();
        let texts = linked
            .sources
            .iter()
            .filter_map(|at| linked.reports.get(*at));
        let hash = PolicyHash::of(texts.map(|report| report.source));
        let base = linked.base?;
        Some(Parts {
            name: entry.clone(),
            hash,
            objective: base.objective,
            briefs: linked.rules.iter().map(Rule::brief).collect(),
            has_cascades: linked
                .rules
                .iter()
                .any(|rule| rule.effects.cascade.is_some()),
            rules: linked.rules,
            budgets: linked.budgets,
            default_boundary: base.default_boundary,
            on_error: base.on_error,
        })
    }
}

/// What the first policy says of every request. What is missing is the narrowest.
struct Base {
    objective: Objective,
    default_boundary: Boundary,
    on_error: Boundary,
}

struct Linked<'l, 's> {
    named: &'l BTreeMap<Arc<str>, (usize, Document)>,
    reports: &'l mut Vec<Reporter<'s>>,
    path: Vec<Arc<str>>,
    seen: BTreeSet<Arc<str>>,
    sources: Vec<usize>,
    base: Option<Base>,
    rules: Vec<Rule>,
    budgets: Vec<Budget>,
}

impl Linked<'_, '_> {
    /// Adds the policy or set `name`, under a guard.
    fn add(&mut self, name: &Arc<str>, guard: &Bool, from: Place) {
        if self.path.contains(name) {
            let around = self.path.join(" includes ");
            return self.error(
                from,
                format!("{around} includes {name}: sets include each other"),
            );
        }
        if self.path.len() >= MAX_DEPTH {
            return self.error(
                from,
                format!("sets include sets more than {MAX_DEPTH} deep"),
            );
        }
        if !self.seen.insert(name.clone()) {
            return self.error(from, format!("`{name}` is included twice"));
        }
        let Some((source, document)) = self.named.get(name) else {
            let known = self.named.keys().map(|known| &**known);
            if let Some(report) = self.reports.get_mut(from.source) {
                report.unknown(from.span, "policy", name, known);
            }
            return;
        };
        if !self.sources.contains(source) {
            self.sources.push(*source);
        }
        match document {
            Document::Policy(policy) => self.add_policy(name, policy, guard, *source),
            Document::Set(includes) => {
                self.path.push(name.clone());
                for include in includes {
                    let place = Place {
                        source: *source,
                        span: include.policy.span,
                    };
                    let guard = both(guard, &include.when);
                    self.add(&include.policy.text, &guard, place);
                }
                self.path.pop();
            }
        }
    }

    fn add_policy(&mut self, name: &Arc<str>, policy: &Compiled, guard: &Bool, source: usize) {
        let over = if self.base.is_none() {
            self.base = Some(Base {
                objective: policy
                    .objective
                    .map(|(objective, _)| objective)
                    .unwrap_or_default(),
                default_boundary: policy.default_boundary.unwrap_or(Boundary::Device),
                on_error: policy.on_error.unwrap_or(Boundary::Device),
            });
            None
        } else {
            if let Some((_, span)) = policy.objective {
                let message =
                    format!("`{name}` is laid over another policy, whose objective holds");
                self.error(Place { source, span }, message);
            }
            self.add_sections(name, policy, guard, source);
            Some(name)
        };
        if self.rules.len() + policy.rules.len() > MAX_RULES {
            let span = Span { start: 0, end: 0 };
            return self.error(
                Place { source, span },
                format!("more than {MAX_RULES} rules in all"),
            );
        }
        let named = |rule: &Arc<str>| match over {
            Some(policy) => format!("{policy}/{rule}").into(),
            None => rule.clone(),
        };
        self.rules
            .extend(policy.rules.iter().map(|(rule, span, when, effects)| Rule {
                name: named(rule),
                when: both(guard, when),
                effects: effects.clone(),
                place: Place {
                    source,
                    span: *span,
                },
            }));
        self.budgets.extend(policy.budgets.iter().cloned());
    }

    /// What a policy that is laid over another says of every request.
    fn add_sections(&mut self, name: &Arc<str>, policy: &Compiled, guard: &Bool, source: usize) {
        let default = policy.default_boundary.map(|boundary| Effects {
            boundary: Some(boundary),
            ..Effects::default()
        });
        let on_error = policy.on_error.map(|boundary| Effects {
            on_error: Some(boundary),
            ..Effects::default()
        });
        for (what, effects) in [("default", default), ("onError", on_error)] {
            if let Some(effects) = effects {
                self.rules.push(Rule {
                    name: format!("{name}/{what}").into(),
                    when: guard.clone(),
                    effects,
                    place: Place {
                        source,
                        span: Span { start: 0, end: 0 },
                    },
                });
            }
        }
    }

    /// Rules are told apart by their names, and so are budgets.
    fn check_names(&mut self) {
        let mut names = BTreeSet::new();
        let twice: Vec<(Place, Arc<str>)> = self
            .rules
            .iter()
            .filter(|rule| !names.insert(rule.name.clone()))
            .map(|rule| (rule.place, rule.name.clone()))
            .collect();
        for (place, name) in twice {
            self.error(place, format!("a second rule named `{}`", shortened(&name)));
        }
    }

    fn error(&mut self, place: Place, message: String) {
        if let Some(report) = self.reports.get_mut(place.source) {
            report.error(place.span, message);
        }
    }
}

impl Compiled {
    fn new(text: PolicyText, report: &mut Reporter<'_>) -> Self {
        let PolicyText {
            name: _,
            objective,
            rules,
            budgets: texts,
            default_boundary,
            on_error,
        } = text;
        let mut compiled: Vec<_> = rules
            .into_iter()
            .map(|rule| {
                let when = condition(rule.when.as_ref(), report);
                (rule.name.text, rule.name.span, when, rule.effects)
            })
            .collect();
        let mut budgets = Vec::new();
        for budget in texts {
            let when = condition(budget.matches.as_ref(), report);
            let name = &budget.name.text;
            let charged = Effects {
                charge: Some(name.clone()),
                ..Effects::default()
            };
            let (charges, spent) = (format!("budget.{name}"), format!("budget.{name}.spent"));
            let span = budget.name.span;
            let is_spent = both(&when, &spent_condition(name));
            compiled.push((charges.into(), span, when, charged));
            compiled.push((spent.into(), span, is_spent, budget.when_spent));
            budgets.push(Budget {
                name: budget.name.text,
                per_month: budget.per_month,
            });
        }
        Self {
            objective,
            rules: compiled,
            budgets,
            default_boundary,
            on_error,
        }
    }
}

fn includes(set: SetText, report: &mut Reporter<'_>) -> Vec<Include> {
    let include = |include: document::IncludeText| Include {
        when: condition(include.when.as_ref(), report),
        policy: include.policy,
    };
    set.include.into_iter().map(include).collect()
}

/// A condition that does not compile was reported; the policy is not used then.
fn condition(text: Option<&Located>, report: &mut Reporter<'_>) -> Bool {
    match text {
        Some(text) => compile(text, report).unwrap_or(Bool::Const(false)),
        None => Bool::Const(true),
    }
}

/// Holds while the device has nothing left of the budget.
fn spent_condition(budget: &Arc<str>) -> Bool {
    use crate::facts::Read;
    let field = field_at("fleet.spentBudgets");
    match field.map(|field| (field, field.read)) {
        Some((field, Read::Texts(read))) => Bool::In(
            Text::Const(budget.clone()),
            List::Fact(Fact { field, read }),
        ),
        // The schema has it; were it ever gone, every budget would count as spent.
        _ => Bool::Const(true),
    }
}

fn both(a: &Bool, b: &Bool) -> Bool {
    match (a, b) {
        (Bool::Const(true), only) | (only, Bool::Const(true)) => only.clone(),
        (Bool::And(parts), more) => Bool::And(parts.iter().chain([more]).cloned().collect()),
        (a, b) => Bool::And(vec![a.clone(), b.clone()]),
    }
}

#[cfg(test)]
mod tests;
