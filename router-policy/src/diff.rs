//! What changed in meaning between two policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::boundary::Boundary;
use crate::facts::Facts;
use crate::policy::{Policy, Rule};
use crate::prove::{Answer, Claim, Normal, satisfiable};

/// What changed from one policy to another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// Content that would newly travel: what matters most.
    pub widened: Vec<Shift>,
    /// Content that would no longer travel.
    pub narrowed: Vec<Shift>,
    /// Boundaries for which one of the two could not be told.
    pub unknown: Vec<Boundary>,
    /// Rules that are only in the new one.
    pub added: Vec<Arc<str>>,
    /// Rules that were only in the old one.
    pub removed: Vec<Arc<str>>,
    /// Rules that are in both and mean something else, and what.
    pub changed: Vec<(Arc<str>, String)>,
    /// Prices, defaults and budgets, each in words.
    pub settings: Vec<String>,
}

/// Content that travels to another extent.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// How far it travelled.
    pub from: Boundary,
    /// How far it travels now.
    pub to: Boundary,
    /// An example.
    pub facts: Box<Facts>,
}

impl Difference {
    /// Whether both mean the same, as far as could be told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two policies by what they mean: reordering and rewriting a condition change nothing.
#[must_use]
pub fn diff(old: &Policy, new: &Policy) -> Difference {
    let mut difference = Difference::default();
    for boundary in [Boundary::Device, Boundary::Private] {
        let wider = travels(old, new, boundary);
        let narrower = travels(new, old, boundary);
        if matches!(wider, Answer::Unknown) || matches!(narrower, Answer::Unknown) {
            difference.unknown.push(boundary);
        }
        for (answer, into) in [
            (wider, &mut difference.widened),
            (narrower, &mut difference.narrowed),
        ] {
            if let Answer::Holds(facts) = answer {
                let (from, to) = (old.boundary_of(&facts), new.boundary_of(&facts));
                // The same request may cross both boundaries; it is told once.
                if from != to
                    && !into
                        .iter()
                        .any(|known| (known.from, known.to) == (from, to))
                {
                    into.push(Shift { from, to, facts });
                }
            }
        }
    }
    rules(old, new, &mut difference);
    settings(old, new, &mut difference.settings);
    difference
}

/// Facts under which `before` keeps content within `boundary` and `after` does not.
fn travels(before: &Policy, after: &Policy, boundary: Boundary) -> Answer {
    let kept = before.0.narrower(boundary);
    after.0.wider(boundary, &[Claim::holds(&kept)])
}

fn rules(old: &Policy, new: &Policy, difference: &mut Difference) {
    let named = |policy: &'_ Policy| -> BTreeMap<Arc<str>, usize> {
        let rules = policy.0.rules.iter().enumerate();
        rules.map(|(at, rule)| (rule.name.clone(), at)).collect()
    };
    let (before, after) = (named(old), named(new));
    let missing = |from: &BTreeMap<Arc<str>, usize>, of: &BTreeMap<Arc<str>, usize>| {
        let names = of.keys().filter(|name| !from.contains_key(*name));
        names.cloned().collect::<Vec<_>>()
    };
    difference.added = missing(&before, &after);
    difference.removed = missing(&after, &before);
    for (name, at) in &before {
        let pair = after
            .get(name)
            .and_then(|to| Some((old.0.rules.get(*at)?, new.0.rules.get(*to)?)));
        if let Some((was, is)) = pair
            && let Some(what) = changed(was, is)
        {
            difference.changed.push((name.clone(), what));
        }
    }
}

fn changed(was: &Rule, is: &Rule) -> Option<String> {
    let (old, new) = (Normal::of(&was.when), Normal::of(&is.when));
    let only = |a: &Normal, b: &Normal| satisfiable([Claim::holds(a), Claim::fails(b)]);
    let condition = match (only(&old, &new), only(&new, &old)) {
        (Answer::Never, Answer::Never) => None,
        (Answer::Never, Answer::Holds(_)) => Some("it holds for more requests"),
        (Answer::Holds(_), Answer::Never) => Some("it holds for fewer requests"),
        (Answer::Holds(_), Answer::Holds(_)) => Some("it holds for other requests"),
        (Answer::Unknown, _) | (_, Answer::Unknown) => Some("it may hold for other requests"),
    };
    let effects = (was.effects != is.effects).then(|| {
        let (was, is) = (was.effects.told().join("; "), is.effects.told().join("; "));
        format!("{was} became {is}")
    });
    let parts: Vec<String> = condition
        .map(str::to_owned)
        .into_iter()
        .chain(effects)
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn settings(old: &Policy, new: &Policy, told: &mut Vec<String>) {
    let (was, is) = (&*old.0, &*new.0);
    let mut compare = |what: &str, a: String, b: String| {
        if a != b {
            told.push(format!("{what}: {a} became {b}"));
        }
    };
    compare(
        "default",
        was.default_boundary.to_string(),
        is.default_boundary.to_string(),
    );
    compare("onError", was.on_error.to_string(), is.on_error.to_string());
    let prices = [
        (
            "usdPerSecond",
            was.objective.usd_per_second,
            is.objective.usd_per_second,
        ),
        (
            "usdPerWattHour",
            was.objective.usd_per_watt_hour,
            is.objective.usd_per_watt_hour,
        ),
        (
            "usdPerError",
            was.objective.usd_per_error,
            is.objective.usd_per_error,
        ),
    ];
    for (what, a, b) in prices {
        compare(what, a.to_string(), b.to_string());
    }
    let budgets = |policy: &Policy| {
        let each = policy.budgets().iter();
        let each = each.map(|budget| format!("{} {} USD", budget.name, budget.per_month.get()));
        each.collect::<Vec<_>>().join(", ")
    };
    compare("budgets", budgets(old), budgets(new));
}

#[cfg(test)]
mod tests;
