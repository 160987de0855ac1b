//! A `PolicySet` as it is written.

use super::fields::Fields;
use super::node::Node;
use super::values::{list, name, text};
use super::{IncludeText, Name, SetText};
use crate::diagnostics::Reporter;

/// Most policies in one set.
const MAX_INCLUDES: usize = 100;

pub(super) fn read(of: Name, spec: &Node, report: &mut Reporter<'_>) -> Option<SetText> {
    let mut spec = Fields::of(spec, "spec", report)?;
    let include = spec
        .required("include", report)
        .map(|node| list(node, "a list of policies", report, include))
        .unwrap_or_default();
    spec.finish(&["include"], report);
    let first = include.first();
    if let Some(when) = first.and_then(|first| first.when.as_ref()) {
        report.error(
            when.span,
            "the first policy of a set is what the others narrow: it always holds",
        );
    }
    if include.len() > MAX_INCLUDES {
        let message = format!(
            "{} policies in one set, at most {MAX_INCLUDES} are read",
            include.len()
        );
        report.error(of.span, message);
        return None;
    }
    if include.is_empty() && report.is_clean() {
        report.error(
            of.span,
            "a set without a policy lets nothing travel: include one",
        );
    }
    Some(SetText { name: of, include })
}

fn include(node: &Node, report: &mut Reporter<'_>) -> Option<IncludeText> {
    let mut fields = Fields::of(node, "an include", report)?;
    let policy = fields
        .required("policy", report)
        .and_then(|node| name(node, report));
    let when = fields
        .take("when")
        .and_then(|node| text(node, "a condition in CEL", report))
        .cloned();
    fields.finish(&["policy", "when"], report);
    Some(IncludeText {
        policy: policy?,
        when,
    })
}
