//! What is hardly meant is told with its place, and what is meant is left alone.

use super::*;

fn check(rules: &str, expected: &[&str]) {
    let text = format!(
        "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: {{ name: test }}\nspec:\n  default: {{ boundary: cloud }}\n  rules:\n{rules}"
    );
    let source = Source {
        name: "x.yaml",
        text: &text,
    };
    let (policy, found) = review(&[source], None);
    let told: Vec<String> = found
        .list()
        .iter()
        .map(|one| format!("{}: {}", one.line, one.message))
        .collect();
    assert_eq!(told, expected, "{found}");
    assert_eq!(policy.is_none(), found.has_errors());
}

#[test]
fn rules_that_can_never_match_are_errors() {
    check(
        "    - { name: a, when: 'request.tokens > 5 && request.tokens < 3', boundary: device }\n    - { name: b, when: 'request.app == \"x\" && request.app.startsWith(\"y\")', boundary: device }\n    - { name: c, when: 'request.tokens > 5', boundary: device }\n",
        &[
            "7: the rule `a` can never match",
            "8: the rule `b` can never match",
        ],
    );
}

#[test]
fn rules_that_another_makes_needless_are_told() {
    check(
        "    - { name: broad, when: 'request.labels.exists(l, l.startsWith(\"pii.\"))', boundary: device }\n    - { name: narrow, when: '\"pii.email\" in request.labels', boundary: private }\n    - { name: again, when: '!request.labels.all(l, !l.startsWith(\"pii.\"))', boundary: device }\n    - { name: other, when: '\"secret.jwt\" in request.labels', boundary: private }\n    - { name: nothing, boundary: cloud }\n",
        &[
            "8: the rule `narrow` changes nothing",
            "9: the rule `again` changes nothing",
            "11: the rule `nothing` changes nothing",
        ],
    );
}

#[test]
fn contradictions_are_told() {
    check(
        "    - { name: self, when: 'request.app == \"x\"', boundary: device, require: [cloud] }\n",
        &["7: the rule `self` contradicts itself"],
    );
    check(
        "    - { name: a, when: 'request.app == \"x\"', require: [device] }\n    - { name: b, when: 'request.tokens > 5', require: [cloud] }\n    - { name: c, when: 'request.app == \"y\"', require: [device] }\n    - { name: d, when: 'request.app == \"z\"', require: [cloud] }\n",
        &[
            "8: the rules `a` and `b` contradict each other",
            "9: the rules `b` and `c` contradict each other",
        ],
    );
}

#[test]
fn a_deprecated_name_is_told() {
    check(
        "    - { name: a, when: 'device.battery < 20', avoid: [device] }\n",
        &["7: `device.battery` is the deprecated name of a fact"],
    );
}

#[test]
fn a_thousand_rules_are_looked_over_in_seconds() {
    let rules: Vec<String> = (0..1000).map(|i| format!("    - {{ name: r{i}, when: 'request.app == \"app-{i}\" && request.tokens > {i}', boundary: private }}\n")).collect();
    check(&rules.concat(), &[]);
}

#[test]
fn everything_is_told_in_one_run_whatever_else_is_wrong() {
    check(
        "    - { name: broad, when: 'request.labels.exists(l, l.startsWith(\"pii.\"))', boundary: device }\n    - { name: narrow, when: '\"pii.email\" in request.labels', boundary: device }\n    - { name: never, when: 'request.tokens > 5 && request.tokens < 3', boundary: device }\n    - { name: typed, when: 'request.tokens > \"100\"', boundary: device }\n    - { name: named, boundry: device }\n    - { name: old, when: 'request.tokenCount > 3', avoid: [cloud] }\n",
        &[
            "8: the rule `narrow` changes nothing",
            "9: the rule `never` can never match",
            "10: int cannot be compared with string like this",
            "11: unknown field in a rule `boundry`",
            "12: `request.tokenCount` is the deprecated name of a fact",
        ],
    );
}
