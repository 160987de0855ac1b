//! What each effect does to candidates, and what it never does.

use proptest::prelude::*;

use crate::suite::{read_request, run_tests};
use crate::{
    Advice, Boundary, Decision, Mode, Nothing, Policy, Record, SlowFacts, Source, Verdict,
};

const HEAD: &str = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: test }\nspec:\n  default: { boundary: cloud }\n  rules:\n";

/// Four ways: on the device in two variants, at a private site, in the cloud.
const CANDIDATES: &str = "
candidates:
  - { kind: device, model: small, variant: int8, provider: cpu, latencySeconds: 0.2, costUsd: 0 }
  - { kind: device, model: small, variant: fp32, provider: openvino, latencySeconds: 0.4, costUsd: 0 }
  - { kind: cloud, site: rack, siteBoundary: private, model: big, latencySeconds: 1, costUsd: 0.01 }
  - { kind: cloud, site: cloud, model: big, latencySeconds: 0.5, costUsd: 0.02 }
  - { kind: cascade, site: cloud, model: big, latencySeconds: 0.6, costUsd: 0.03 }
";

fn policy(rules: &str) -> Policy {
    match Policy::compile("test.yaml", &format!("{HEAD}{rules}")) {
        Ok(policy) => policy,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

fn record(text: &str) -> Record {
    match read_request("request.yaml", &format!("{text}{CANDIDATES}")) {
        Ok(record) => record,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

fn decide(rules: &str, facts: &str) -> Decision {
    policy(rules).replay(&record(facts))
}

fn check(rules: &str, expected: &[usize]) -> Decision {
    let decision = decide(rules, "facts: {}");
    assert_eq!(
        decision.order(),
        expected,
        "{rules}\n{}",
        crate::explain(&decision)
    );
    decision
}

#[test]
fn what_is_required_refuses_the_rest() {
    check("    - { name: r, require: [device] }", &[0, 1]);
    check(
        "    - { name: r, require: { providers: [openvino] } }",
        &[1],
    );
    check(
        "    - { name: r, require: { sites: [rack], kinds: [cloud] } }",
        &[2],
    );
    check(
        "    - { name: r, require: { models: [big] } }\n    - { name: s, require: { sites: [rack, device] } }",
        &[2],
    );
    let nothing = check("    - { name: r, require: { models: [huge] } }", &[]);
    assert_eq!(nothing.chosen(), Err(Nothing::Denied));
    assert_eq!(nothing.reason(), "nothing may serve: rule r");
}

#[test]
fn what_is_avoided_comes_last_in_every_dimension() {
    check(
        "    - { name: r, avoid: { variants: [int8] } }",
        &[1, 2, 3, 0],
    );
    check(
        "    - { name: r, avoid: { models: [small] } }",
        &[2, 3, 0, 1],
    );
}

#[test]
fn what_is_preferred_comes_first_and_the_highest_priority_before_all() {
    check(
        "    - { name: r, prefer: { sites: [cloud] } }",
        &[3, 0, 1, 2],
    );
    check(
        "    - { name: r, prefer: [cloud] }\n    - { name: s, prefer: { variants: [fp32], priority: 9 } }",
        &[1, 2, 3, 0],
    );
    let decision = check(
        "    - { name: r, prefer: { sites: [rack] } }",
        &[2, 0, 1, 3],
    );
    assert_eq!(decision.reason(), "cloud: rule r prefers it");
    // What is preferred is still refused, and still avoided.
    check(
        "    - { name: r, prefer: [cloud] }\n    - { name: s, boundary: device }",
        &[0, 1],
    );
    check(
        "    - { name: r, prefer: [cloud] }\n    - { name: s, avoid: [cloud] }",
        &[0, 1, 2, 3],
    );
}

#[test]
fn limits_refuse_what_exceeds_them_and_say_what_to_do_when_nothing_fits() {
    check(
        "    - { name: r, limits: { maxLatencySeconds: 0.3 } }",
        &[0],
    );
    check(
        "    - { name: r, limits: { maxCostUsd: 0.015 } }",
        &[0, 1, 2],
    );
    check("    - { name: r, limits: { maxLatencySeconds: 0.1 } }", &[]);
    check(
        "    - { name: r, limits: { maxLatencySeconds: 0.1, whenNothingFits: relax } }",
        &[0, 1, 2, 3],
    );
    check(
        "    - { name: r, limits: { maxLatencySeconds: 0.3, whenNothingFits: relax } }",
        &[0],
    );
    let mut unknown = record("facts: {}");
    unknown.candidates[0].prediction.cost = None;
    let strict = policy("    - { name: r, limits: { maxCostUsd: 100 } }");
    assert!(
        strict.replay(&unknown).verdicts[0].is_refused(),
        "an unknown cost keeps to no limit"
    );
}

#[test]
fn a_cascade_is_there_only_when_a_rule_asks_for_it() {
    let decision = check(
        "    - { name: r, cascade: { minConfidence: 0.7 } }\n    - { name: s, cascade: { minConfidence: 0.8 } }",
        &[4, 0, 1, 2, 3],
    );
    assert_eq!(
        decision.cascade().map(|c| c.min_confidence.get()),
        Some(0.8)
    );
    check(
        "    - { name: r, cascade: { minConfidence: 0.7 } }\n    - { name: s, boundary: private }",
        &[0, 1, 2],
    );
}

#[test]
fn what_is_to_be_redacted_goes_nowhere_that_does_not() {
    let rules = "    - { name: r, redact: [pii., secret.jwt] }";
    let clean = decide(rules, "facts: { request: { labels: [secret.aws_key] } }");
    assert_eq!(clean.order(), [0, 1, 2, 3]);
    let labelled = "facts: { request: { labels: [pii.email] } }";
    let decision = decide(rules, labelled);
    assert_eq!(decision.order(), [0, 1]);
    assert_eq!(decision.redact(), ["pii.".into(), "secret.jwt".into()]);
    assert!(decision.permit(3).is_none());
    let mut redacting = record(labelled);
    redacting.candidates[3].redacts = true;
    assert_eq!(policy(rules).replay(&redacting).order(), [0, 1, 3]);
}

#[test]
fn a_budget_is_charged_and_narrows_once_it_is_spent() {
    let text = format!(
        "{HEAD}    - {{ name: keep, when: 'false', boundary: device }}\n  budgets:\n    - name: research\n      match: '\"research\" in user.groups'\n      usdPerMonth: 50\n      whenSpent: {{ boundary: private }}\n"
    );
    let policy = Policy::compile("test.yaml", &text).unwrap();
    assert_eq!(policy.budgets()[0].per_month, crate::Usd::clamped(50.0));
    let mut mine = record("facts: { user: { groups: [research] } }");
    let before = policy.replay(&mine);
    assert_eq!(
        (before.boundary(), before.budgets()),
        (Boundary::Cloud, vec!["research".into()])
    );
    mine.facts.slow.fleet.spent_budgets = vec!["research".into()];
    let after = policy.replay(&mine);
    assert_eq!(after.boundary(), Boundary::Private);
    assert!(
        after
            .cause(after.bounded_by())
            .starts_with("rule budget.research.spent")
    );
    let other = policy.replay(&record("facts: { fleet: { spentBudgets: [research] } }"));
    assert_eq!(
        (other.boundary(), other.budgets()),
        (Boundary::Cloud, vec![])
    );
}

#[test]
fn a_plug_in_narrows_and_orders_but_never_widens() {
    let advice = |boundary, admitted: &[usize]| Advice {
        boundary,
        admitted: admitted.to_vec(),
        reason: "said so".into(),
    };
    let ask = |rules: &str| decide(rules, "facts: {}");
    let rack = "    - { name: r, boundary: private }";
    let advised = ask(rack).advised(advice(Boundary::Cloud, &[3, 2, 9, 2, 0]));
    assert_eq!(
        (advised.boundary(), advised.order()),
        (Boundary::Private, &[2, 0][..])
    );
    assert_eq!(advised.reason(), "cloud: said so");
    assert_eq!(advised.verdicts[1], Verdict::Refused(crate::Cause::PlugIn));
    assert!(advised.permit(3).is_none() && advised.permit(1).is_none());
    let advised = ask(rack).advised(advice(Boundary::Device, &[2, 0]));
    assert_eq!(
        (advised.boundary(), advised.order()),
        (Boundary::Device, &[0][..])
    );
    let silent = ask(rack).unadvised();
    assert_eq!(
        (silent.boundary(), silent.order()),
        (Boundary::Device, &[0, 1][..])
    );
    assert_eq!(
        silent.cause(silent.bounded_by()),
        "onError, since the plug-in did not answer"
    );
}

#[test]
fn tests_of_a_policy_say_what_was_not_as_expected() {
    let text = format!(
        "{HEAD}    - {{ name: pii, when: 'request.labels.exists(l, l.startsWith(\"pii.\"))', boundary: device }}
---
apiVersion: tideline.dev/v1
kind: PolicyTest
metadata: {{ name: test-tests }}
spec:
  tests:
    - name: personal data stays
      facts: {{ request: {{ labels: [pii.email] }} }}
      expect: {{ boundary: device, placement: device, matched: [pii] }}
    - name: and this is wrong
      facts: {{ request: {{ labels: [] }} }}
      expect: {{ boundary: device, matched: [pii], denied: true }}
"
    );
    let sources = [Source {
        name: "x.yaml",
        text: &text,
    }];
    let suites = run_tests(&sources).unwrap();
    let [right, wrong] = &suites[0].cases[..] else {
        panic!("{suites:?}")
    };
    assert_eq!(right.failures, Vec::<String>::new());
    assert_eq!(wrong.place, ("x.yaml".into(), 17));
    assert_eq!(
        wrong.failures,
        [
            "boundary: expected device, found cloud",
            "denied: expected true, found false",
            "the rule pii did not match",
            "since cloud is worth most: 0.00260 against 0.00410 USD for cloud "
        ]
    );
}

#[test]
fn a_request_in_yaml_is_checked_against_the_schema() {
    let refused = |text: &str, expected: &str| {
        let error = read_request("r.yaml", text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(
        "facts: { request: { token: 3 } }",
        "did you mean `request.tokens`?",
    );
    refused("facts: { request: { tokens: many } }", "is a whole number");
    refused(
        "facts: { request: { tokens: -1 } }",
        "cannot have this value",
    );
    refused("facts: { network: { rttMs: .nan } }", "not a number");
    refused("facts: { device: { onAcPower: 3 } }", "true or false");
    refused("mode: only-here", "did you mean `only-on-device`?");
    refused("fact: {}", "did you mean `facts`?");
}

fn effects() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "boundary: private",
        "boundary: device",
        "require: [cloud]",
        "require: { variants: [int8] }",
        "avoid: [device]",
        "prefer: { sites: [cloud], priority: 7 }",
        "limits: { maxLatencySeconds: 0.45 }",
        "limits: { maxCostUsd: 0.005, whenNothingFits: relax }",
        "cascade: { minConfidence: 0.5 }",
        "redact: [pii.]",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn one_more_effect_never_widens_how_far_content_travels(
        rules in prop::collection::vec(effects(), 0..5),
        more in effects(),
        mode in prop::sample::select(Mode::ALL.to_vec()),
    ) {
        let written = |rules: &[String]| {
            let rules: Vec<_> = rules.iter().enumerate().map(|(i, e)| format!("    - {{ name: r{i}, {e} }}\n")).collect();
            if rules.is_empty() { Policy::open() } else { policy(&rules.concat()) }
        };
        let mut request = record("facts: { request: { labels: [pii.email] } }");
        request.mode = mode;
        let before = written(&rules).replay(&request);
        let grown: Vec<String> = rules.iter().cloned().chain([more]).collect();
        let after = written(&grown).replay(&request);
        prop_assert!(after.boundary() <= before.boundary());
        // A cascade is a way that a rule opens, within the boundary; and what relaxes when nothing fits
        // may be needed once something else was refused.
        let opens = |text: &String| text.starts_with("cascade") || text.contains("relax");
        if !grown.iter().any(opens) {
            for index in 0..5 {
                prop_assert!(after.permit(index).is_none() || before.permit(index).is_some());
            }
        }
        let slow = SlowFacts::default();
        prop_assert!(after.slow() == &slow);
    }
}
