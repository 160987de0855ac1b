//! What is proved is true, what is refuted has facts that show it, and ordinary cases are decided.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::compile::tests::{compiled, expressions, facts};

fn answer(claims: &[(&str, bool)]) -> Answer {
    let compiled: Vec<(Normal, bool)> = claims
        .iter()
        .map(|(text, holds)| (Normal::of(&compiled(text).unwrap()), *holds))
        .collect();
    satisfiable(compiled.iter().map(|(condition, holds)| Claim {
        condition: &condition.0,
        holds: *holds,
    }))
}

/// Whether `given` implies `claim`.
fn check(given: &str, claim: &str, implied: bool) {
    let found = answer(&[(given, true), (claim, false)]);
    match (&found, implied) {
        (Answer::Never, true) | (Answer::Holds(_), false) => {}
        _ => panic!("{given} => {claim}: {found:?}"),
    }
}

#[test]
fn labels_are_told_apart_by_prefix() {
    let pii = "request.labels.exists(l, l.startsWith(\"pii.\"))";
    check("\"pii.email\" in request.labels", pii, true);
    check(pii, "request.labels.exists(l, l.startsWith(\"pi\"))", true);
    check(
        pii,
        "request.labels.exists(l, l.startsWith(\"pii.e\"))",
        false,
    );
    check(pii, "\"pii.email\" in request.labels", false);
    check(pii, "size(request.labels) > 0", true);
    check(
        pii,
        "!request.labels.all(l, l.startsWith(\"secret.\"))",
        true,
    );
    check("size(request.labels) == 0", &format!("!{pii}"), true);
    check(
        "request.labels.all(l, l == \"a\") && size(request.labels) > 1",
        "\"a\" in request.labels",
        true,
    );
    check(
        "request.labels.exists(l, l.startsWith(\"pii.\") && l.endsWith(\".eu\"))",
        pii,
        true,
    );
    check(
        "request.labels.exists(l, l in [\"pii.email\", \"pii.phone\"])",
        pii,
        true,
    );
    check(
        "request.labels.exists(l, l in [\"pii.email\", \"x\"])",
        pii,
        false,
    );
}

#[test]
fn groups_apps_and_negations_are_decided() {
    check(
        "request.app == \"mail\"",
        "request.app in [\"mail\", \"crm\"]",
        true,
    );
    check(
        "request.app in [\"mail\", \"crm\"]",
        "request.app == \"mail\"",
        false,
    );
    check(
        "request.app in [\"mail\", \"crm\"] && request.app != \"crm\"",
        "request.app == \"mail\"",
        true,
    );
    check(
        "!(request.app == \"mail\")",
        "request.app != \"mail\"",
        true,
    );
    check(
        "\"a\" in user.groups && !(\"a\" in user.groups)",
        "false",
        true,
    );
    check("\"a\" in user.groups", "\"b\" in user.groups", false);
    check(
        "request.app.startsWith(\"fin\") && request.app.endsWith(\"x\")",
        "request.app.contains(\"in\")",
        true,
    );
    check(
        "request.app.startsWith(\"fin\")",
        "size(request.app) >= 3",
        true,
    );
    check(
        "request.app.matches(\"^fin\")",
        "request.app != \"finance\"",
        false,
    );
    check(
        "device.onAcPower == (request.tokens > 5) && request.tokens > 9",
        "device.onAcPower",
        true,
    );
}

#[test]
fn numbers_are_compared_exactly() {
    check("request.tokens > 100", "request.tokens >= 101", true);
    check("request.tokens > 100", "request.tokens > 100.5", true);
    check("request.tokens > 100", "request.tokens > 101", false);
    check("request.tokens >= 0", "request.tokens < 4294967296", true);
    check("request.tokens < 0", "false", true);
    check("network.rttMs > 5 && network.rttMs < 5.0", "false", true);
    check(
        "network.rttMs >= 5 && network.rttMs <= 5.0 && network.rttMs != 5",
        "false",
        true,
    );
    check("network.rttMs > 5", "network.rttMs > 6", false);
    check(
        "device.batteryPercent < 20 || device.batteryPercent > 30",
        "device.batteryPercent != 25",
        true,
    );
    check("true", "true", true);
    check("true", "device.onAcPower", false);
}

#[test]
fn a_thousand_rules_are_taken_together() {
    let rules: Vec<String> = (0..1000)
        .map(|i| format!("(request.app == \"app-{i}\" && request.tokens > {i})"))
        .collect();
    let parts: Vec<Normal> = rules
        .iter()
        .map(|rule| Normal::of(&compiled(rule).unwrap()))
        .collect();
    let given = Normal::of(&compiled("request.app == \"app-7\" && request.tokens == 8").unwrap());
    let claims = parts.iter().map(Claim::fails).chain([Claim::holds(&given)]);
    assert_eq!(satisfiable(claims), Answer::Never);
    let given = Normal::of(&compiled("request.app == \"app-7\" && request.tokens == 7").unwrap());
    let claims = parts.iter().map(Claim::fails).chain([Claim::holds(&given)]);
    assert!(matches!(satisfiable(claims), Answer::Holds(_)));
}

thread_local! {
    static ASKED: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn never_is_never_said_of_what_can_hold(text in expressions(), (request, slow) in facts()) {
        let condition = compiled(&text).unwrap();
        let normal = Normal::of(&condition);
        let facts = Facts { request, slow };
        prop_assert_eq!(condition.holds(facts.view()), normal.0.holds(facts.view()));
        for holds in [true, false] {
            let answer = satisfiable([Claim { condition: &normal.0, holds }]);
            if condition.holds(facts.view()) == holds {
                prop_assert!(answer != Answer::Never, "{}", text);
            }
            if let Answer::Holds(facts) = &answer {
                prop_assert_eq!(condition.holds(facts.view()), holds);
            }
            ASKED.with(|asked| {
                let (all, unknown) = asked.get();
                asked.set((all + 1, unknown + u32::from(answer == Answer::Unknown)));
                if all + 1 == 6000 {
                    println!("of 6000 conditions {unknown} could not be told");
                }
            });
        }
    }
}
