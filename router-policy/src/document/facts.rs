//! Facts as they are written: a mapping for each group, checked against the schema.

use super::fields::Fields;
use super::node::Node;
use super::values::{list, number, text, texts, truth};
use crate::diagnostics::{Reporter, Span};
use crate::facts::{FIELDS, FactValue, Facts, Read, SignalName, field_at};

/// Facts that are not written are as those of a device that nothing is known of.
pub(super) fn read(node: &Node, report: &mut Reporter<'_>) -> Option<Facts> {
    let mut facts = Facts::default();
    let mut groups = Fields::of(node, "facts", report)?;
    let mut known: Vec<&str> = FIELDS
        .iter()
        .filter_map(|field| field.path.split('.').next())
        .collect();
    known.dedup();
    for group in &known {
        if let Some(node) = groups.take(group) {
            read_group(group, node, &mut facts, report);
        }
    }
    groups.finish(&known, report);
    Some(facts)
}

fn read_group(group: &str, node: &Node, facts: &mut Facts, report: &mut Reporter<'_>) {
    let Some(mut fields) = Fields::of(node, "a group of facts", report) else {
        return;
    };
    if group == "request"
        && let Some(node) = fields.take("failedSignals")
    {
        facts.request.failed_signals = list(node, "a list of signals", report, |item, report| {
            text(item, "a signal", report).map(|located| SignalName::new(&located.text))
        });
    }
    for (key, node) in fields.rest() {
        let path = format!("{group}.{}", key.text);
        let Some(field) = field_at(&path) else {
            report.unknown(
                key.span,
                "fact",
                &path,
                FIELDS.iter().map(|field| field.path),
            );
            continue;
        };
        let value = match field.read {
            Read::Bool(_) => truth(node, report).map(FactValue::Bool),
            Read::Int(_) => whole(node, report),
            Read::Double(_) => number(node, report).map(FactValue::Double),
            Read::Text(_) => text(node, "a text", report)
                .map(|located| FactValue::Text(located.text.as_str().into())),
            Read::Texts(_) => Some(FactValue::Texts(texts(node, "a list of texts", report))),
        };
        if let Some(value) = value
            && facts.set(&path, value).is_none()
        {
            out_of_range(node.span, &path, report);
        }
    }
}

fn whole(node: &Node, report: &mut Reporter<'_>) -> Option<FactValue> {
    let located = text(node, "a whole number", report)?;
    match located.text.parse() {
        Ok(value) => Some(FactValue::Int(value)),
        Err(_) => {
            report.error(located.span, "this fact is a whole number");
            None
        }
    }
}

fn out_of_range(span: Span, path: &str, report: &mut Reporter<'_>) {
    report.error(span, format!("`{path}` cannot have this value"));
}
