//! Single values: names, numbers, boundaries, lists of names. What is not one is reported.

use std::sync::Arc;

use super::node::{Node, Value};
use super::{Located, Name};
use crate::boundary::Boundary;
use crate::candidate::PlacementKind;
use crate::diagnostics::{Reporter, shortened};
use crate::units::Probability;

/// Names stand in headers, logs and metrics, so they are kept plain.
pub(super) fn name(node: &Node, report: &mut Reporter<'_>) -> Option<Name> {
    let located = text(node, "a name", report)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if located.text.is_empty() || located.text.len() > 63 || !located.text.chars().all(plain) {
        report.error(
            located.span,
            format!(
                "`{}` is not a name, expected 1 to 63 letters, digits, `-`, `_` or `.`",
                shortened(&located.text)
            ),
        );
        return None;
    }
    Some(Name {
        text: located.text.as_str().into(),
        span: located.span,
    })
}

pub(super) fn text<'n>(
    node: &'n Node,
    expected: &str,
    report: &mut Reporter<'_>,
) -> Option<&'n Located> {
    if let Value::Scalar { text, .. } = &node.value {
        return Some(text);
    }
    wrong(node, expected, report);
    None
}

/// A number that is finite and not negative.
pub(super) fn number(node: &Node, report: &mut Reporter<'_>) -> Option<f64> {
    let Value::Scalar { text, plain: true } = &node.value else {
        wrong(node, "a number", report);
        return None;
    };
    match text.text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Some(value),
        Ok(_) => {
            report.error(text.span, "an amount is finite and not negative");
            None
        }
        Err(_) => {
            let shown = shortened(&text.text);
            report.error(text.span, format!("`{shown}` is not a number"));
            None
        }
    }
}

pub(super) fn truth(node: &Node, report: &mut Reporter<'_>) -> Option<bool> {
    match &node.value {
        Value::Scalar { text, plain: true } if text.text == "true" => Some(true),
        Value::Scalar { text, plain: true } if text.text == "false" => Some(false),
        Value::Scalar { .. } | Value::Sequence(_) | Value::Mapping(_) => {
            wrong(node, "true or false", report);
            None
        }
    }
}

pub(super) fn probability(node: &Node, report: &mut Reporter<'_>) -> Option<Probability> {
    let value = number(node, report)?;
    if value > 1.0 {
        report.error(node.span, "a probability is from 0 to 1");
        return None;
    }
    Some(Probability::new(value))
}

pub(super) fn boundary(node: &Node, report: &mut Reporter<'_>) -> Option<Boundary> {
    let located = text(node, "a boundary", report)?;
    let known = Boundary::ALL.iter().map(|boundary| boundary.name());
    one_of(located, "boundary", known, report)?;
    located.text.parse().ok()
}

pub(super) fn kind(node: &Node, report: &mut Reporter<'_>) -> Option<PlacementKind> {
    let located = text(node, "a placement kind", report)?;
    let known = PlacementKind::ALL.iter().map(|kind| kind.name());
    one_of(located, "placement kind", known, report)?;
    let named = |kind: &PlacementKind| kind.name() == located.text;
    PlacementKind::ALL.into_iter().find(named)
}

/// The text, if it is one of those known.
pub(super) fn one_of<'k>(
    located: &Located,
    what: &str,
    known: impl Iterator<Item = &'k str> + Clone,
    report: &mut Reporter<'_>,
) -> Option<()> {
    if known.clone().any(|one| one == located.text) {
        return Some(());
    }
    report.unknown(located.span, what, &located.text, known);
    None
}

/// A list, each of its items read by `read`.
pub(super) fn list<T>(
    node: &Node,
    expected: &str,
    report: &mut Reporter<'_>,
    mut read: impl FnMut(&Node, &mut Reporter<'_>) -> Option<T>,
) -> Vec<T> {
    let Value::Sequence(items) = &node.value else {
        wrong(node, expected, report);
        return Vec::new();
    };
    let read = |item: &Node| read(item, report);
    items.iter().filter_map(read).collect()
}

pub(super) fn texts(node: &Node, expected: &str, report: &mut Reporter<'_>) -> Vec<Arc<str>> {
    list(node, expected, report, |item, report| {
        text(item, "a name", report).map(|located| located.text.as_str().into())
    })
}

pub(super) fn wrong(node: &Node, expected: &str, report: &mut Reporter<'_>) {
    report.error(
        node.span,
        format!("{} where {expected} must stand", node.value.kind()),
    );
}
