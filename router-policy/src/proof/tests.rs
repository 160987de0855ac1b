//! What is proved holds for every facts that can be found; what is refuted comes with facts.

use proptest::prelude::*;

use super::*;
use crate::compile::tests::{expressions, facts};

const HEAD: &str = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: test }\nspec:\n  default: { boundary: cloud }\n  rules:\n";
const REGULATED: &str = "    - name: regulated
      when: 'request.labels.exists(l, l.startsWith(\"pii.\") || l.startsWith(\"secret.\"))'
      boundary: device
    - name: finance
      when: '\"finance\" in user.groups || request.app == \"ledger\"'
      boundary: private
    - name: small
      when: 'request.tokens > 100 && !(\"engineering\" in user.groups)'
      boundary: device
";

fn policy(rules: &str) -> Policy {
    Policy::compile("x", &format!("{HEAD}{rules}")).unwrap()
}

fn check(given: &str, boundary: Boundary, proved: bool) {
    let found = policy(REGULATED).prove(given, boundary).unwrap();
    assert_eq!(found == Proof::Proved, proved, "{given}: {found:?}");
    assert_ne!(found, Proof::Unknown, "{given}");
}

#[test]
fn ordinary_claims_are_decided() {
    check(
        "request.labels.exists(l, l.startsWith(\"pii.\"))",
        Boundary::Device,
        true,
    );
    check("\"secret.jwt\" in request.labels", Boundary::Device, true);
    check("\"public\" in request.labels", Boundary::Device, false);
    check("request.app == \"ledger\"", Boundary::Private, true);
    check("request.app == \"ledger\"", Boundary::Device, false);
    check("request.tokens > 200", Boundary::Device, false);
    check(
        "request.tokens > 200 && user.groups.all(g, g == \"sales\")",
        Boundary::Device,
        true,
    );
    check("true", Boundary::Cloud, true);
}

#[test]
fn what_refutes_a_claim_are_facts_that_travel_further() {
    let policy = policy(REGULATED);
    let Proof::Refuted(facts) = policy
        .prove("request.tokens > 200", Boundary::Device)
        .unwrap()
    else {
        panic!("it does not hold");
    };
    assert!(facts.request.tokens.get() > 200 && policy.boundary_of(&facts) > Boundary::Device);
}

#[test]
fn a_claim_that_makes_no_sense_is_refused_with_its_place() {
    let error = policy(REGULATED)
        .prove("request.token > 3", Boundary::Device)
        .unwrap_err();
    assert!(error.to_string().contains("--> --given:1:1"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn proved_is_never_said_when_a_counterexample_exists(
        rules in prop::collection::vec((expressions(), 0_usize..2), 1..4),
        given in expressions(),
        (request, slow) in facts(),
    ) {
        let text: Vec<String> = rules.iter().enumerate().map(|(i, (when, b))| {
            format!("    - {{ name: r{i}, when: '{when}', boundary: {} }}\n", Boundary::ALL[*b])
        }).collect();
        let policy = policy(&text.concat());
        let facts = Facts { request, slow };
        let holds = compile_text("given", &given).unwrap().holds(facts.view());
        for boundary in Boundary::ALL {
            match policy.prove(&given, boundary).unwrap() {
                Proof::Proved => prop_assert!(!holds || policy.boundary_of(&facts) <= boundary, "{}", given),
                Proof::Refuted(facts) => prop_assert!(policy.boundary_of(&facts) > boundary),
                Proof::Unknown => {}
            }
        }
    }
}
