//! A tree of values to a policy document. Every field is known or reported; nothing is guessed.

use super::node::{Node, Value};
use super::{Document, Located, Objective, RuleText};
use crate::boundary::Boundary;
use crate::candidate::PlacementKind;
use crate::diagnostics::{Reporter, Span, shortened};

const API_VERSION: &str = "tideline.dev/v1";
const KIND: &str = "PlacementPolicy";

/// Most rules in one policy.
const MAX_RULES: usize = 10_000;

/// Reads the document; what is wrong goes to `report`. What comes back is only worth anything when
/// nothing was reported.
pub(crate) fn read(root: &Node, report: &mut Reporter<'_>) -> Option<Document> {
    let mut top = Fields::of(root, "the policy", report)?;
    top.expect_text("apiVersion", API_VERSION, report);
    top.expect_text("kind", KIND, report);
    let name = top
        .required("metadata", report)
        .and_then(|node| metadata(node, report));
    let spec = top.required("spec", report);
    top.finish(&["apiVersion", "kind", "metadata", "spec"], report);

    let mut spec = Fields::of(spec?, "spec", report)?;
    let document = Document {
        name: name.unwrap_or_default().into(),
        objective: spec
            .take("objective")
            .and_then(|node| objective(node, report))
            .unwrap_or_default(),
        rules: spec
            .take("rules")
            .map(|node| rules(node, report))
            .unwrap_or_default(),
        // Missing means the narrowest: nothing travels that no line lets travel.
        default_boundary: section_boundary(spec.take("default"), "default", report),
        on_error: section_boundary(spec.take("onError"), "onError", report),
    };
    if let Some(node) = spec.take("budgets") {
        not_yet(node.span, "budgets", report);
    }
    spec.finish(&["objective", "rules", "default", "onError"], report);
    Some(document)
}

fn metadata(node: &Node, report: &mut Reporter<'_>) -> Option<String> {
    let mut fields = Fields::of(node, "metadata", report)?;
    let name = fields
        .required("name", report)
        .and_then(|node| name(node, report));
    fields.finish(&["name"], report);
    name
}

fn objective(node: &Node, report: &mut Reporter<'_>) -> Option<Objective> {
    let mut fields = Fields::of(node, "objective", report)?;
    let usual = Objective::default();
    let mut price = |name: &str, usual: f64| match fields.take(name) {
        Some(node) => number(node, report).unwrap_or(usual),
        None => usual,
    };
    let objective = Objective {
        usd_per_second: price("usdPerSecond", usual.usd_per_second),
        usd_per_watt_hour: price("usdPerWattHour", usual.usd_per_watt_hour),
        usd_per_error: price("usdPerError", usual.usd_per_error),
    };
    fields.finish(&["usdPerSecond", "usdPerWattHour", "usdPerError"], report);
    Some(objective)
}

fn rules(node: &Node, report: &mut Reporter<'_>) -> Vec<RuleText> {
    let Value::Sequence(items) = &node.value else {
        wrong(node, "a list of rules", report);
        return Vec::new();
    };
    if items.len() > MAX_RULES {
        report.error(
            node.span,
            format!("{} rules, at most {MAX_RULES} are read", items.len()),
        );
        return Vec::new();
    }
    let mut rules: Vec<RuleText> = Vec::with_capacity(items.len());
    let mut names = std::collections::BTreeSet::new();
    for item in items {
        let Some(rule) = rule(item, report) else {
            continue;
        };
        if !rule.name.is_empty() && !names.insert(rule.name.clone()) {
            report.error(
                item.span,
                format!(
                    "a second rule named `{}`, names are told apart in decisions",
                    rule.name
                ),
            );
        }
        rules.push(rule);
    }
    rules
}

fn rule(node: &Node, report: &mut Reporter<'_>) -> Option<RuleText> {
    let mut fields = Fields::of(node, "a rule", report)?;
    let has_effect = fields.has("boundary") || fields.has("avoid");
    let rule = RuleText {
        name: fields
            .required("name", report)
            .and_then(|node| name(node, report))
            .unwrap_or_default()
            .into(),
        when: fields
            .take("when")
            .and_then(|node| text(node, "a condition in CEL", report))
            .cloned(),
        boundary: fields
            .take("boundary")
            .and_then(|node| boundary(node, report)),
        avoid: fields
            .take("avoid")
            .map(|node| kinds(node, report))
            .unwrap_or_default(),
    };
    let mut later = false;
    for effect in ["cascade", "require", "prefer", "limits", "redact"] {
        if let Some(node) = fields.take(effect) {
            not_yet(node.span, effect, report);
            later = true;
        }
    }
    let clean = fields.finish(&["name", "when", "boundary", "avoid"], report);
    if clean && !later && !has_effect {
        report.error_with_help(
            fields.span,
            format!("the rule `{}` does nothing", rule.name),
            "give it a `boundary` or an `avoid`",
        );
    }
    Some(rule)
}

fn section_boundary(
    node: Option<&Node>,
    what: &'static str,
    report: &mut Reporter<'_>,
) -> Boundary {
    let read = |node, report: &mut Reporter<'_>| {
        let mut fields = Fields::of(node, what, report)?;
        let found = fields
            .required("boundary", report)
            .and_then(|node| boundary(node, report));
        fields.finish(&["boundary"], report);
        found
    };
    node.and_then(|node| read(node, report))
        .unwrap_or(Boundary::Device)
}

fn boundary(node: &Node, report: &mut Reporter<'_>) -> Option<Boundary> {
    let located = text(node, "a boundary", report)?;
    let found = located.text.parse().ok();
    if found.is_none() {
        report.unknown(
            located.span,
            "boundary",
            &located.text,
            Boundary::ALL.iter().map(|b| b.name()),
        );
    }
    found
}

fn kinds(node: &Node, report: &mut Reporter<'_>) -> Vec<PlacementKind> {
    let Value::Sequence(items) = &node.value else {
        wrong(node, "a list of placement kinds, such as [device]", report);
        return Vec::new();
    };
    let mut kinds = Vec::new();
    for item in items {
        let Some(located) = text(item, "a placement kind", report) else {
            continue;
        };
        match PlacementKind::ALL
            .into_iter()
            .find(|kind| kind.name() == located.text)
        {
            Some(kind) => kinds.push(kind),
            None => report.unknown(
                located.span,
                "placement kind",
                &located.text,
                PlacementKind::ALL.iter().map(|k| k.name()),
            ),
        }
    }
    kinds
}

/// Names stand in headers, logs and metrics, so they are kept plain.
fn name(node: &Node, report: &mut Reporter<'_>) -> Option<String> {
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
    Some(located.text.clone())
}

fn number(node: &Node, report: &mut Reporter<'_>) -> Option<f64> {
    let Value::Scalar { text, plain: true } = &node.value else {
        wrong(node, "a number", report);
        return None;
    };
    match text.text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Some(value),
        Ok(_) => {
            report.error(text.span, "a price is finite and not negative");
            None
        }
        Err(_) => {
            report.error(
                text.span,
                format!("`{}` is not a number", shortened(&text.text)),
            );
            None
        }
    }
}

fn text<'n>(node: &'n Node, expected: &str, report: &mut Reporter<'_>) -> Option<&'n Located> {
    if let Value::Scalar { text, .. } = &node.value {
        return Some(text);
    }
    wrong(node, expected, report);
    None
}

fn wrong(node: &Node, expected: &str, report: &mut Reporter<'_>) {
    report.error(
        node.span,
        format!("{} where {expected} must stand", node.value.kind()),
    );
}

fn not_yet(span: Span, what: &str, report: &mut Reporter<'_>) {
    report.error(span, format!("`{what}` is not supported by this version: it would not be enforced, so it is not accepted"));
}

/// The fields of one mapping. What nobody takes is reported by name.
struct Fields<'n> {
    what: &'static str,
    span: Span,
    left: Vec<&'n (Located, Node)>,
}

impl<'n> Fields<'n> {
    fn of(node: &'n Node, what: &'static str, report: &mut Reporter<'_>) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            wrong(node, &format!("{what}, a mapping,"), report);
            return None;
        };
        // The first key names the place better than a span over the whole mapping.
        let span = entries.first().map_or(node.span, |(key, _)| key.span);
        Some(Self {
            what,
            span,
            left: entries.iter().collect(),
        })
    }

    fn take(&mut self, name: &str) -> Option<&'n Node> {
        let at = self.left.iter().position(|(key, _)| key.text == name)?;
        Some(&self.left.swap_remove(at).1)
    }

    fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(key, _)| key.text == name)
    }

    fn required(&mut self, name: &str, report: &mut Reporter<'_>) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            report.error(self.span, format!("{} has no `{name}`", self.what));
        }
        found
    }

    fn expect_text(&mut self, name: &str, expected: &str, report: &mut Reporter<'_>) {
        let Some(node) = self.required(name, report) else {
            return;
        };
        if let Some(located) = text(node, expected, report)
            && located.text != expected
        {
            report.error(
                located.span,
                format!(
                    "`{}` is not understood, expected `{expected}`",
                    shortened(&located.text)
                ),
            );
        }
    }

    /// Reports what is left; `true` when nothing was.
    fn finish(&self, known: &[&str], report: &mut Reporter<'_>) -> bool {
        for (key, _) in &self.left {
            report.unknown(
                key.span,
                &format!("field in {}", self.what),
                &key.text,
                known.iter().copied(),
            );
        }
        self.left.is_empty()
    }
}
