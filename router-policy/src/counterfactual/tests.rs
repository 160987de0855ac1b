//! The nearest change is found, and applied it does what it says.

use proptest::prelude::*;

use crate::{Policy, read_request};

const HEAD: &str = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: test }\nspec:\n  default: { boundary: cloud }\n  objective: { usdPerSecond: 0, usdPerError: 1 }\n  rules:\n";

fn told(rules: &str, facts: &str) -> Vec<String> {
    let policy = Policy::compile("x", &format!("{HEAD}{rules}")).unwrap();
    let record = read_request("r", &format!("facts: {facts}")).unwrap();
    let decision = policy.replay(&record);
    decision
        .counterfactuals()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn one_label_less_and_it_would_travel() {
    assert_eq!(
        told(
            "    - { name: r, when: 'request.labels.exists(l, l.startsWith(\"pii.\"))', boundary: device }",
            "{ request: { labels: [pii.email, secret.jwt] } }"
        ),
        ["cloud any at cloud would serve if request.labels had not pii.email"]
    );
}

#[test]
fn two_facts_together_are_found_where_one_is_not_enough() {
    assert_eq!(
        told(
            "    - { name: r, when: 'request.tokens > 100', boundary: device }\n    - { name: s, when: '!device.onAcPower', boundary: device }",
            "{ request: { tokens: 150 }, device: { onAcPower: false } }"
        ),
        [
            "cloud any at cloud would serve if request.tokens were 100 and not 150 and device.onAcPower were true and not false"
        ]
    );
}

#[test]
fn what_is_worth_less_would_serve_if_it_were_cheaper() {
    assert_eq!(
        told(
            "    - { name: r, when: 'request.app == \"ide\"', boundary: device }",
            "{}"
        ),
        ["device any at device would serve if request.app were ide and not \"\"",]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    );
}

proptest! {
    #[test]
    fn a_change_that_is_told_makes_the_candidate_serve(tokens in 0_u32..300, pii in any::<bool>(), power in any::<bool>()) {
        let rules = "    - { name: a, when: 'request.tokens > 100', boundary: private }\n    - { name: b, when: '\"pii.email\" in request.labels && request.tokens < 200', boundary: device }\n    - { name: c, when: '!device.onAcPower', avoid: [device] }";
        let policy = Policy::compile("x", &format!("{HEAD}{rules}")).unwrap();
        let labels = if pii { "pii.email" } else { "" };
        let record = read_request("r", &format!("facts: {{ request: {{ tokens: {tokens}, labels: [{labels}] }}, device: {{ onAcPower: {power} }} }}")).unwrap();
        for other in policy.replay(&record).counterfactuals() {
            let mut changed = record.clone();
            other.changes.iter().for_each(|change| change.apply(&mut changed));
            let facts_only = other.changes.iter().all(|change| matches!(change, crate::Change::Fact { .. }));
            prop_assert!(!facts_only || policy.replay(&changed).chosen() == Ok(other.candidate), "{other}");
        }
    }
}
