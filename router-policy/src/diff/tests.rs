//! What changed in meaning is told, and rewriting is no change.

use super::*;

fn policy(spec: &str) -> Policy {
    Policy::compile("x", &format!("apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: {{ name: test }}\nspec:\n{spec}")).unwrap()
}

const OLD: &str = "  default: { boundary: cloud }\n  rules:\n    - { name: pii, when: 'request.labels.exists(l, l.startsWith(\"pii.\"))', boundary: device }\n    - { name: long, when: 'request.tokens > 100', boundary: private }\n";

#[test]
fn a_rewritten_policy_means_the_same() {
    let new = "  default: { boundary: cloud }\n  rules:\n    - { name: long, when: '!(request.tokens <= 100)', boundary: private }\n    - { name: pii, when: '!request.labels.all(l, !l.startsWith(\"pii.\"))', boundary: device }\n";
    assert!(diff(&policy(OLD), &policy(new)).is_empty());
}

#[test]
fn what_would_newly_travel_comes_with_an_example() {
    let new = "  default: { boundary: cloud }\n  onError: { boundary: private }\n  objective: { usdPerSecond: 1 }\n  rules:\n    - { name: pii, when: 'request.labels.exists(l, l.startsWith(\"pii.e\"))', boundary: device }\n    - { name: long, when: 'request.tokens > 50', boundary: private }\n    - { name: more, boundary: cloud }\n";
    let found = diff(&policy(OLD), &policy(new));
    let [shift, ..] = &found.widened[..] else {
        panic!("{found:?}")
    };
    assert_eq!(shift.from, Boundary::Device);
    assert!(shift.facts.request.labels[0].as_str().starts_with("pii."));
    assert_eq!(found.narrowed.len(), 1, "{found:?}");
    assert_eq!(found.added, ["more".into()]);
    assert_eq!(
        found.changed,
        [
            ("long".into(), "it holds for more requests".into()),
            ("pii".into(), "it holds for fewer requests".into())
        ]
    );
    assert_eq!(
        found.settings,
        [
            "onError: device became private",
            "usdPerSecond: 0.002 became 1"
        ]
    );
}

#[test]
fn a_default_that_widens_is_seen() {
    let narrow = "  default: { boundary: device }\n";
    let found = diff(&policy(narrow), &policy(OLD));
    assert!(!found.widened.is_empty() && found.narrowed.is_empty() && found.unknown.is_empty());
}
