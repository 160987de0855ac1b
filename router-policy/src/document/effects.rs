//! What a rule does, as it is written.

use super::fields::Fields;
use super::node::{Node, Value};
use super::values::{boundary, kind, list, number, one_of, probability, text, texts, wrong};
use crate::boundary::Boundary;
use crate::diagnostics::Reporter;
use crate::effect::{
    Cascade, Effects, Fallback, LabelPattern, Limits, Otherwise, Preference, Selector,
};
use crate::units::{Seconds, Usd};

/// The names of all effects.
pub(super) const EFFECTS: [&str; 8] = [
    "boundary", "require", "avoid", "prefer", "limits", "cascade", "fallback", "redact",
];

/// Takes every effect from the fields of a rule.
pub(super) fn effects(fields: &mut Fields<'_>, report: &mut Reporter<'_>) -> Effects {
    let mut effects = Effects::default();
    if let Some(node) = fields.take("boundary") {
        effects.boundary = boundary(node, report);
    }
    if let Some(node) = fields.take("require") {
        effects.require = selector(node, report);
    }
    if let Some(node) = fields.take("avoid") {
        effects.avoid = selector(node, report);
    }
    if let Some(node) = fields.take("prefer") {
        effects.prefer = preference(node, report);
    }
    if let Some(node) = fields.take("limits") {
        effects.limits = limits(node, report);
    }
    if let Some(node) = fields.take("cascade") {
        effects.cascade = cascade(node, report);
    }
    if let Some(node) = fields.take("fallback") {
        effects.fallback = fallback(node, report);
    }
    if let Some(node) = fields.take("redact") {
        effects.redact = redact(node, report);
    }
    effects
}

const DIMENSIONS: [&str; 5] = ["kinds", "sites", "models", "variants", "providers"];

/// Candidates: a list of placement kinds, or a mapping with any of the dimensions.
fn selector(node: &Node, report: &mut Reporter<'_>) -> Option<Selector> {
    if let Value::Sequence(_) = &node.value {
        let kinds = list(node, "a list of placement kinds", report, kind);
        let selector = Selector {
            kinds,
            ..Selector::default()
        };
        return stated(selector, node, report);
    }
    let mut fields = Fields::of(
        node,
        "a list of placement kinds such as [device], or",
        report,
    )?;
    let selector = dimensions(&mut fields, report);
    fields.finish(&DIMENSIONS, report);
    stated(selector, node, report)
}

fn dimensions(fields: &mut Fields<'_>, report: &mut Reporter<'_>) -> Selector {
    let kinds = fields
        .take("kinds")
        .map(|node| list(node, "a list of placement kinds", report, kind));
    let mut names = |name: &str| {
        let node = fields.take(name);
        node.map(|node| texts(node, "a list of names", report))
            .unwrap_or_default()
    };
    Selector {
        sites: names("sites"),
        models: names("models"),
        variants: names("variants"),
        providers: names("providers"),
        kinds: kinds.unwrap_or_default(),
    }
}

fn stated(selector: Selector, node: &Node, report: &mut Reporter<'_>) -> Option<Selector> {
    if selector.is_empty() {
        if report.is_clean() {
            report.error(node.span, "this selects nothing: name a placement kind, or a site, model, variant or provider");
        }
        return None;
    }
    Some(selector)
}

fn preference(node: &Node, report: &mut Reporter<'_>) -> Option<Preference> {
    if let Value::Sequence(_) = &node.value {
        return Some(Preference {
            which: selector(node, report)?,
            priority: 1,
        });
    }
    let mut fields = Fields::of(
        node,
        "a list of placement kinds such as [device], or",
        report,
    )?;
    let priority = fields
        .take("priority")
        .map(|node| (number(node, report), node));
    let which = dimensions(&mut fields, report);
    let known: Vec<&str> = DIMENSIONS.into_iter().chain(["priority"]).collect();
    fields.finish(&known, report);
    let priority = match priority {
        None => 1,
        Some((value, node)) => match (1..=100).find(|priority| value == Some(f64::from(*priority)))
        {
            Some(priority) => priority,
            None => {
                report.error(node.span, "a priority is a whole number from 1 to 100");
                return None;
            }
        },
    };
    Some(Preference {
        which: stated(which, node, report)?,
        priority,
    })
}

fn limits(node: &Node, report: &mut Reporter<'_>) -> Option<Limits> {
    let mut fields = Fields::of(node, "limits", report)?;
    let max_latency = fields
        .take("maxLatencySeconds")
        .and_then(|node| number(node, report))
        .and_then(Seconds::new);
    let max_cost = fields
        .take("maxCostUsd")
        .and_then(|node| number(node, report))
        .and_then(Usd::new);
    let otherwise = fields.take("whenNothingFits").and_then(|node| {
        let located = text(node, "refuse or relax", report)?;
        one_of(located, "value", ["refuse", "relax"].into_iter(), report)?;
        Some(if located.text == "relax" {
            Otherwise::Relax
        } else {
            Otherwise::Refuse
        })
    });
    let known = ["maxLatencySeconds", "maxCostUsd", "whenNothingFits"];
    let clean = fields.finish(&known, report);
    if clean && max_latency.is_none() && max_cost.is_none() {
        report.error(
            node.span,
            "limits without a limit: give a `maxLatencySeconds` or a `maxCostUsd`",
        );
    }
    Some(Limits {
        max_latency,
        max_cost,
        otherwise: otherwise.unwrap_or(Otherwise::Refuse),
    })
}

fn cascade(node: &Node, report: &mut Reporter<'_>) -> Option<Cascade> {
    let mut fields = Fields::of(node, "cascade", report)?;
    let confidence = fields
        .required("minConfidence", report)
        .and_then(|node| probability(node, report));
    let hold = fields.take("holdTokens");
    let hold = hold.and_then(|node| hold_tokens(node, report));
    fields.finish(&["minConfidence", "holdTokens"], report);
    Some(Cascade {
        min_confidence: confidence?,
        hold_tokens: hold.unwrap_or(Cascade::USUAL_HOLD),
    })
}

fn hold_tokens(node: &Node, report: &mut Reporter<'_>) -> Option<u16> {
    let value = number(node, report)?;
    let is_it = |whole: &u16| (f64::from(*whole) - value).abs() < f64::EPSILON;
    let whole = (1..=4096).find(is_it);
    if whole.is_none() {
        report.error(node.span, "expected a whole number of tokens, 1 to 4096");
    }
    whole
}

fn fallback(node: &Node, report: &mut Reporter<'_>) -> Option<Fallback> {
    let located = text(node, "a fallback", report)?;
    let all = [Fallback::None, Fallback::SameModel, Fallback::AnyModel];
    one_of(
        located,
        "fallback",
        all.iter().map(|one| one.name()),
        report,
    )?;
    all.into_iter().find(|one| one.name() == located.text)
}

fn redact(node: &Node, report: &mut Reporter<'_>) -> Vec<LabelPattern> {
    let expected = "a list of labels, or of prefixes such as pii.,";
    let patterns = list(node, expected, report, |item, report| {
        let located = text(item, "a label", report)?;
        if located.text.is_empty() {
            report.error(located.span, "an empty label would select none");
            return None;
        }
        Some(LabelPattern(located.text.as_str().into()))
    });
    if patterns.is_empty() && matches!(&node.value, Value::Sequence(items) if items.is_empty()) {
        wrong(node, "a list with at least one label", report);
    }
    patterns
}

/// `{ boundary: … }`, as `default` and `onError` are written. What cannot be read is the narrowest.
pub(super) fn section_boundary(
    node: &Node,
    what: &'static str,
    report: &mut Reporter<'_>,
) -> Boundary {
    let read = |report: &mut Reporter<'_>| {
        let mut fields = Fields::of(node, what, report)?;
        let found = fields
            .required("boundary", report)
            .and_then(|node| boundary(node, report));
        fields.finish(&["boundary"], report);
        found
    };
    read(report).unwrap_or(Boundary::Device)
}
