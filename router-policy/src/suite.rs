//! `PolicyTest` documents: what is expected of a policy, held against what it decides.

use std::sync::Arc;

use crate::decision::Decision;
use crate::diagnostics::{Diagnostics, Reporter};
use crate::document::{CaseText, Expectations, scenario};
use crate::link::Loaded;
use crate::policy::{Policy, Source};
use crate::replay::Record;

/// What became of one `PolicyTest`.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Its name.
    pub name: Arc<str>,
    /// The policy that was tried.
    pub policy: Arc<str>,
    /// Its cases, in their order.
    pub cases: Vec<Case>,
}

/// What became of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it shows.
    pub name: Arc<str>,
    /// Where it stands: the source, and the line counted from 1.
    pub place: (Arc<str>, usize),
    /// What was not as expected; empty when it passed.
    pub failures: Vec<String>,
}

/// Tries every `PolicyTest` in these sources.
///
/// # Errors
/// Everything that is wrong with the sources themselves.
pub fn run_tests(sources: &[Source<'_>]) -> Result<Vec<Suite>, Diagnostics> {
    let mut loaded = Loaded::read(sources);
    let tests = std::mem::take(&mut loaded.tests);
    let mut suites = Vec::new();
    for (source, test) in tests {
        let wanted = test.policy.as_ref().map(|name| &*name.text);
        let linked = loaded.entry(wanted).and_then(|entry| loaded.link(&entry));
        let Some(parts) = linked else {
            continue;
        };
        let policy = Policy(Arc::new(parts));
        let Some(place) = sources.get(source) else {
            continue;
        };
        let tried = test.cases.iter().map(|case| Case {
            name: case.name.clone(),
            place: (place.name.into(), line(place.text, case.span.start)),
            failures: tried(&policy, case),
        });
        suites.push(Suite {
            name: test.name.text.clone(),
            policy: policy.name().into(),
            cases: tried.collect(),
        });
    }
    if loaded.is_clean() {
        Ok(suites)
    } else {
        Err(loaded.finish())
    }
}

/// Reads one request from YAML: `facts`, and where they are stated `mode`, `boundary` and
/// `candidates`, as in the cases of a `PolicyTest`.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn read_request(source_name: &str, source: &str) -> Result<Record, Diagnostics> {
    let mut report = Reporter::new(source_name, source);
    match scenario(source, &mut report) {
        Some(record) if report.is_clean() => Ok(record),
        _ => Err(Diagnostics::gather([report])),
    }
}

fn line(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or_default();
    before.matches('\n').count() + 1
}

fn tried(policy: &Policy, case: &CaseText) -> Vec<String> {
    let decision = policy.replay(&case.record);
    let mut failures = Vec::new();
    let mut expect = |what: &str, expected: Option<String>, found: String| {
        if let Some(expected) = expected
            && expected != found
        {
            failures.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let Expectations {
        boundary,
        placement,
        site,
        model,
        variant,
        denied,
        matched,
        not_matched,
        budgets,
    } = &case.expect;
    let served = decision
        .chosen()
        .ok()
        .and_then(|index| decision.candidate(index));
    let nothing = || "nothing".to_owned();
    let of = |read: fn(&crate::candidate::Candidate) -> String| served.map_or_else(nothing, read);
    let text = |expected: &Option<Arc<str>>| expected.as_ref().map(ToString::to_string);
    expect(
        "boundary",
        boundary.map(|boundary| boundary.to_string()),
        decision.boundary().to_string(),
    );
    expect(
        "placement",
        placement.map(|kind| kind.to_string()),
        of(|one| one.kind.to_string()),
    );
    expect("site", text(site), of(|one| one.site.name.to_string()));
    expect("model", text(model), of(|one| one.model.to_string()));
    expect("variant", text(variant), of(|one| one.variant.to_string()));
    expect(
        "denied",
        denied.map(|denied| denied.to_string()),
        served.is_none().to_string(),
    );
    expect(
        "budgets",
        budgets.as_ref().map(|budgets| budgets.join(", ")),
        decision.budgets().join(", "),
    );
    expect_rules(&decision, matched, not_matched, &mut failures);
    if !failures.is_empty() {
        failures.push(format!("since {}", decision.reason()));
    }
    failures
}

fn expect_rules(
    decision: &Decision,
    matched: &[Arc<str>],
    not_matched: &[Arc<str>],
    failures: &mut Vec<String>,
) {
    let names: Vec<Arc<str>> = decision
        .matched()
        .into_iter()
        .map(|rule| rule.name)
        .collect();
    for name in matched {
        if !names.contains(name) {
            failures.push(format!("the rule {name} did not match"));
        }
    }
    for name in not_matched {
        if names.contains(name) {
            failures.push(format!("the rule {name} matched"));
        }
    }
}

#[cfg(test)]
mod tests {
    //! The policies that the documentation shows are sound, and do what their tests say.

    use super::*;
    use crate::review;

    #[test]
    fn the_documented_policies_pass_their_tests_without_a_warning() {
        let documented = [
            ("bank", include_str!("../../docs/policies/bank.yaml")),
            (
                "education",
                include_str!("../../docs/policies/education.yaml"),
            ),
            (
                "field-engineers",
                include_str!("../../docs/policies/field-engineers.yaml"),
            ),
            (
                "hospital",
                include_str!("../../docs/policies/hospital.yaml"),
            ),
            (
                "law-firm",
                include_str!("../../docs/policies/law-firm.yaml"),
            ),
            ("startup", include_str!("../../docs/policies/startup.yaml")),
        ];
        for (name, text) in documented {
            let source = Source { name, text };
            let (policy, found) = review(&[source], None);
            assert!(policy.is_some() && found.list().is_empty(), "{found}");
            let suites = run_tests(&[source]).unwrap();
            assert!(suites.iter().all(|suite| suite.cases.len() >= 5));
            for case in suites.iter().flat_map(|suite| &suite.cases) {
                assert!(
                    case.failures.is_empty(),
                    "{name}: {}: {:?}",
                    case.name,
                    case.failures
                );
            }
        }
    }
}
