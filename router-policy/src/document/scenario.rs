//! What a policy is tried on, as it is written: one request with its facts and candidates, alone or
//! in a `PolicyTest` with what is expected of its decision.

use std::sync::Arc;

use super::fields::Fields;
use super::node::{Node, Value};
use super::values::{boundary, kind, list, name, number, one_of, probability, text, texts, truth};
use super::{Name, facts};
use crate::boundary::Boundary;
use crate::candidate::{Availability, Candidate, PlacementKind, Prediction, Site};
use crate::diagnostics::Reporter;
use crate::mode::Mode;
use crate::replay::Record;
use crate::units::{Probability, Seconds, Usd, WattHours};

/// Most cases in one document.
const MAX_CASES: usize = 10_000;
/// Most candidates of one request.
const MAX_CANDIDATES: usize = 64;

/// A `PolicyTest`.
#[derive(Debug)]
pub(crate) struct TestText {
    pub(crate) name: Name,
    /// The policy or set that is tried; the only one where none is named.
    pub(crate) policy: Option<Name>,
    pub(crate) cases: Vec<CaseText>,
}

/// One request, and what is expected.
#[derive(Debug)]
pub(crate) struct CaseText {
    pub(crate) name: Arc<str>,
    pub(crate) span: crate::diagnostics::Span,
    pub(crate) record: Record,
    pub(crate) expect: Expectations,
}

/// What is expected of a decision; what is not stated may be anything.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    pub(crate) boundary: Option<Boundary>,
    pub(crate) placement: Option<PlacementKind>,
    pub(crate) site: Option<Arc<str>>,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) variant: Option<Arc<str>>,
    pub(crate) denied: Option<bool>,
    /// Rules that must be among those that matched.
    pub(crate) matched: Vec<Arc<str>>,
    /// Rules that must not.
    pub(crate) not_matched: Vec<Arc<str>>,
    /// Budgets that the request is charged to, all of them.
    pub(crate) budgets: Option<Vec<Arc<str>>>,
}

pub(super) fn read(of: Name, spec: &Node, report: &mut Reporter<'_>) -> Option<TestText> {
    let mut spec = Fields::of(spec, "spec", report)?;
    let policy = spec.take("policy").and_then(|node| name(node, report));
    let shared = spec
        .take("candidates")
        .map_or_else(usual_candidates, |node| candidates(node, report));
    let cases = spec
        .required("tests", report)
        .map(|node| {
            list(node, "a list of tests", report, |node, report| {
                case(node, &shared, report)
            })
        })
        .unwrap_or_default();
    spec.finish(&["policy", "candidates", "tests"], report);
    if cases.len() > MAX_CASES {
        let message = format!("{} tests, at most {MAX_CASES} are read", cases.len());
        report.error(of.span, message);
        return None;
    }
    Some(TestText {
        name: of,
        policy,
        cases,
    })
}

/// Reads one request from a source of its own; what is wrong goes to `report`.
pub(crate) fn scenario(source: &str, report: &mut Reporter<'_>) -> Option<Record> {
    let documents = super::node::parse(source, report)?;
    let mut fields = Fields::of(documents.first()?, "the request", report)?;
    let record = record(&mut fields, &usual_candidates(), report);
    fields.finish(&REQUEST, report);
    Some(record)
}

/// The fields that make up one request.
const REQUEST: [&str; 4] = ["facts", "mode", "boundary", "candidates"];

fn case(node: &Node, shared: &[Candidate], report: &mut Reporter<'_>) -> Option<CaseText> {
    let mut fields = Fields::of(node, "a test", report)?;
    let name = fields
        .required("name", report)
        .and_then(|node| text(node, "what the test shows", report));
    let span = name.map_or(node.span, |name| name.span);
    let record = record(&mut fields, shared, report);
    let expect = fields
        .required("expect", report)
        .and_then(|node| expectations(node, report))
        .unwrap_or_default();
    let known: Vec<&str> = ["name", "expect"].into_iter().chain(REQUEST).collect();
    fields.finish(&known, report);
    Some(CaseText {
        name: name?.text.as_str().into(),
        span,
        record,
        expect,
    })
}

fn record(fields: &mut Fields<'_>, shared: &[Candidate], report: &mut Reporter<'_>) -> Record {
    Record {
        facts: fields
            .take("facts")
            .and_then(|node| facts::read(node, report))
            .unwrap_or_default(),
        mode: fields
            .take("mode")
            .and_then(|node| mode(node, report))
            .unwrap_or_default(),
        boundary: fields
            .take("boundary")
            .and_then(|node| boundary(node, report))
            .unwrap_or(Boundary::Cloud),
        candidates: fields
            .take("candidates")
            .map_or_else(|| shared.to_vec(), |node| candidates(node, report)),
    }
}

fn mode(node: &Node, report: &mut Reporter<'_>) -> Option<Mode> {
    let located = text(node, "a mode", report)?;
    let known = Mode::ALL.iter().map(|mode| mode.name());
    one_of(located, "mode", known, report)?;
    Mode::ALL
        .into_iter()
        .find(|mode| mode.name() == located.text)
}

fn expectations(node: &Node, report: &mut Reporter<'_>) -> Option<Expectations> {
    let mut fields = Fields::of(node, "expect", report)?;
    let mut one = |name: &str, report: &mut Reporter<'_>| {
        let located = fields
            .take(name)
            .and_then(|node| text(node, "a name", report));
        located.map(|located| Arc::from(located.text.as_str()))
    };
    let (site, model, variant) = (
        one("site", report),
        one("model", report),
        one("variant", report),
    );
    let mut names = |name: &str| {
        fields
            .take(name)
            .map(|node| texts(node, "a list of names", report))
    };
    let (matched, not_matched, budgets) = (names("matched"), names("notMatched"), names("budgets"));
    let expectations = Expectations {
        boundary: fields
            .take("boundary")
            .and_then(|node| boundary(node, report)),
        placement: fields.take("placement").and_then(|node| kind(node, report)),
        site,
        model,
        variant,
        denied: fields.take("denied").and_then(|node| truth(node, report)),
        matched: matched.unwrap_or_default(),
        not_matched: not_matched.unwrap_or_default(),
        budgets,
    };
    let known = [
        "boundary",
        "placement",
        "site",
        "model",
        "variant",
        "denied",
        "matched",
        "notMatched",
        "budgets",
    ];
    fields.finish(&known, report);
    if matches!(&node.value, Value::Mapping(entries) if entries.is_empty()) {
        report.error(node.span, "a test that expects nothing shows nothing");
    }
    Some(expectations)
}

fn candidates(node: &Node, report: &mut Reporter<'_>) -> Vec<Candidate> {
    let mut all = list(node, "a list of candidates", report, candidate);
    if all.len() > MAX_CANDIDATES {
        let message = format!(
            "{} candidates, at most {MAX_CANDIDATES} are read",
            all.len()
        );
        report.error(node.span, message);
        all.truncate(MAX_CANDIDATES);
    }
    all
}

fn candidate(node: &Node, report: &mut Reporter<'_>) -> Option<Candidate> {
    let mut fields = Fields::of(node, "a candidate", report)?;
    let kind = fields
        .required("kind", report)
        .and_then(|node| kind(node, report));
    let site_boundary = fields
        .take("siteBoundary")
        .and_then(|node| boundary(node, report));
    let mut one = |name: &str| {
        let node = fields.take(name)?;
        text(node, "a name", report).map(|located| Arc::from(located.text.as_str()))
    };
    let (site, unavailable) = (one("site"), one("unavailable"));
    let (model, variant, provider) = (one("model"), one("variant"), one("provider"));
    let prediction = prediction(&mut fields, report);
    fields.finish(&CANDIDATE, report);
    let kind = kind?;
    let (usual_site, usual_boundary) = if kind == PlacementKind::Device {
        ("device", Boundary::Device)
    } else {
        ("cloud", Boundary::Cloud)
    };
    Some(Candidate {
        kind,
        site: Site {
            name: site.unwrap_or_else(|| usual_site.into()),
            boundary: site_boundary.unwrap_or(usual_boundary),
        },
        model: model.unwrap_or_else(|| "any".into()),
        variant: variant.unwrap_or_default(),
        provider: provider.unwrap_or_default(),
        prediction,
        availability: unavailable.map_or(Availability::Ready, Availability::Unavailable),
        redacts: false,
    })
}

/// The fields of a candidate.
const CANDIDATE: [&str; 12] = [
    "kind",
    "site",
    "siteBoundary",
    "model",
    "variant",
    "provider",
    "unavailable",
    "latencySeconds",
    "latencySdSeconds",
    "costUsd",
    "energyWattHours",
    "errorProbability",
];

fn prediction(fields: &mut Fields<'_>, report: &mut Reporter<'_>) -> Prediction {
    let p_error = fields
        .take("errorProbability")
        .and_then(|node| probability(node, report));
    let mut amount = |name: &str| {
        let node = fields.take(name)?;
        number(node, report)
    };
    Prediction {
        latency: Seconds::clamped(amount("latencySeconds").unwrap_or(0.1)),
        latency_sd: Seconds::clamped(amount("latencySdSeconds").unwrap_or(0.0)),
        cost: amount("costUsd").map(Usd::clamped),
        energy: WattHours::clamped(amount("energyWattHours").unwrap_or(0.0)),
        p_error: p_error.unwrap_or(Probability::new(0.0)),
    }
}

/// What a policy is tried on where no candidates are written: a device, a private site and a cloud,
/// each dearer and better than the one before.
fn usual_candidates() -> Vec<Candidate> {
    let one = |kind, site: &str, boundary, (latency, cost, p_error)| Candidate {
        kind,
        site: Site {
            name: site.into(),
            boundary,
        },
        model: "any".into(),
        variant: "".into(),
        provider: "".into(),
        prediction: Prediction {
            latency: Seconds::clamped(latency),
            latency_sd: Seconds::ZERO,
            cost: Some(Usd::clamped(cost)),
            energy: WattHours::ZERO,
            p_error: Probability::new(p_error),
        },
        availability: Availability::Ready,
        redacts: false,
    };
    vec![
        one(
            PlacementKind::Device,
            "device",
            Boundary::Device,
            (0.3, 0.0, 0.10),
        ),
        one(
            PlacementKind::Cloud,
            "private",
            Boundary::Private,
            (0.3, 0.0005, 0.06),
        ),
        one(
            PlacementKind::Cloud,
            "cloud",
            Boundary::Cloud,
            (0.3, 0.001, 0.02),
        ),
    ]
}
