//! What an author wrote, checked for shape, with every part's place in the source.

mod effects;
mod facts;
mod fields;
mod node;
mod places;
mod policy;
mod scenario;
mod set;
mod values;

use std::sync::Arc;

use saphyr_parser::ScalarStyle;

use self::fields::Fields;
use self::node::Node;
use crate::boundary::Boundary;
use crate::diagnostics::{Reporter, Span};
use crate::effect::Effects;
use crate::units::Usd;

pub(crate) use self::scenario::{CaseText, Expectations, TestText, scenario};

/// The version of all documents.
const API_VERSION: &str = "tideline.dev/v1";

/// A text of a document and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) style: ScalarStyle,
}

/// A name and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: Arc<str>,
    pub(crate) span: Span,
}

/// One document.
#[derive(Debug)]
pub(crate) enum Resource {
    Policy(PolicyText),
    Set(SetText),
    Test(TestText),
}

/// A `PlacementPolicy`.
#[derive(Debug)]
pub(crate) struct PolicyText {
    pub(crate) name: Name,
    pub(crate) objective: Option<(Objective, Span)>,
    pub(crate) rules: Vec<RuleText>,
    pub(crate) budgets: Vec<BudgetText>,
    pub(crate) default_boundary: Option<Boundary>,
    pub(crate) on_error: Option<Boundary>,
}

/// What a second, a watt-hour and a wrong answer are worth, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Objective {
    pub(crate) usd_per_second: f64,
    pub(crate) usd_per_watt_hour: f64,
    pub(crate) usd_per_error: f64,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            usd_per_second: 0.002,
            usd_per_watt_hour: 0.0003,
            usd_per_error: 0.05,
        }
    }
}

/// One rule, its condition not yet looked at. No condition always holds.
#[derive(Debug)]
pub(crate) struct RuleText {
    pub(crate) name: Name,
    pub(crate) when: Option<Located>,
    pub(crate) effects: Effects,
}

/// One budget.
#[derive(Debug)]
pub(crate) struct BudgetText {
    pub(crate) name: Name,
    pub(crate) matches: Option<Located>,
    pub(crate) per_month: Usd,
    pub(crate) when_spent: Effects,
}

/// A `PolicySet`: policies laid over each other.
#[derive(Debug)]
pub(crate) struct SetText {
    pub(crate) name: Name,
    pub(crate) include: Vec<IncludeText>,
}

/// One policy or set that a set includes.
#[derive(Debug)]
pub(crate) struct IncludeText {
    pub(crate) policy: Name,
    pub(crate) when: Option<Located>,
}

/// Reads every document in `source`; what is wrong goes to `report`.
pub(crate) fn read(source: &str, report: &mut Reporter<'_>) -> Vec<Resource> {
    let documents = node::parse(source, report).unwrap_or_default();
    let read = |root: &Node| resource(root, report);
    documents.iter().filter_map(read).collect()
}

fn resource(root: &Node, report: &mut Reporter<'_>) -> Option<Resource> {
    let mut top = Fields::of(root, "the document", report)?;
    top.expect_text("apiVersion", API_VERSION, report);
    let kind = top
        .required("kind", report)
        .and_then(|node| values::text(node, "a kind of document", report));
    let name = top
        .required("metadata", report)
        .and_then(|node| metadata(node, report));
    let spec = top.required("spec", report);
    top.finish(&["apiVersion", "kind", "metadata", "spec"], report);
    let (kind, spec) = (kind?, spec?);
    // Its name is wrong, and told; the rest of it is looked at all the same.
    let name = name.unwrap_or_else(|| Name {
        text: "".into(),
        span: root.span,
    });
    match kind.text.as_str() {
        "PlacementPolicy" => policy::read(name, spec, report).map(Resource::Policy),
        "PolicySet" => set::read(name, spec, report).map(Resource::Set),
        "PolicyTest" => scenario::read(name, spec, report).map(Resource::Test),
        other => {
            let known = ["PlacementPolicy", "PolicySet", "PolicyTest"];
            report.unknown(kind.span, "kind of document", other, known.into_iter());
            None
        }
    }
}

fn metadata(node: &Node, report: &mut Reporter<'_>) -> Option<Name> {
    let mut fields = Fields::of(node, "metadata", report)?;
    let name = fields
        .required("name", report)
        .and_then(|node| values::name(node, report));
    fields.finish(&["name"], report);
    name
}
