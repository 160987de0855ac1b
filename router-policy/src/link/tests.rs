//! Policies laid over each other only narrow, and what cannot be linked is told with its place.

use crate::{Boundary, Policy, Source, read_request};

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: tideline.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n{spec}\n"
    )
}

fn load(documents: &[String], entry: Option<&str>) -> Result<Policy, String> {
    let text = documents.join("---\n");
    let source = Source {
        name: "all.yaml",
        text: &text,
    };
    Policy::load(&[source], entry).map_err(|error| error.to_string())
}

fn organisation() -> [String; 3] {
    [
        document(
            "PlacementPolicy",
            "org",
            "  objective: { usdPerSecond: 1 }\n  rules:\n    - { name: keys, when: 'request.labels.exists(l, l.startsWith(\"secret.\"))', boundary: device }\n  default: { boundary: cloud }\n  onError: { boundary: private }",
        ),
        document(
            "PlacementPolicy",
            "finance",
            "  rules:\n    - { name: keys, when: 'request.app == \"ledger\"', boundary: device }\n  default: { boundary: private }\n  onError: { boundary: device }",
        ),
        document(
            "PolicySet",
            "acme",
            "  include:\n    - policy: org\n    - { policy: finance, when: '\"finance\" in user.groups' }",
        ),
    ]
}

#[test]
fn what_is_laid_over_a_policy_narrows_it_where_it_holds() {
    let policy = load(&organisation(), None).unwrap();
    assert_eq!((policy.name(), policy.rule_count()), ("acme", 4));
    let check = |facts: &str, expected: Boundary, by: &str| {
        let record = read_request("r", &format!("facts: {facts}")).unwrap();
        let decision = policy.replay(&record);
        assert_eq!(decision.boundary(), expected, "{facts}");
        let cause = decision.cause(decision.bounded_by());
        assert!(cause.contains(by), "{cause}");
    };
    check("{}", Boundary::Cloud, "default");
    check(
        "{ user: { groups: [finance] } }",
        Boundary::Private,
        "rule finance/default",
    );
    check("{ request: { app: ledger } }", Boundary::Cloud, "default");
    check(
        "{ request: { app: ledger }, user: { groups: [finance] } }",
        Boundary::Device,
        "rule finance/keys",
    );
    check(
        "{ request: { labels: [secret.jwt] }, user: { groups: [finance] } }",
        Boundary::Device,
        "rule keys",
    );
    check(
        "{ request: { failedSignals: [labels] } }",
        Boundary::Private,
        "onError",
    );
    check(
        "{ request: { failedSignals: [labels] }, user: { groups: [finance] } }",
        Boundary::Device,
        "onError",
    );
}

#[test]
fn the_version_is_of_every_text_that_takes_part() {
    let all = organisation();
    let hash = |documents: &[String]| load(documents, Some("acme")).unwrap().hash();
    let mut changed = all.clone();
    changed[1].push_str("# a note\n");
    assert_eq!(hash(&all), hash(&all.clone()));
    assert_ne!(hash(&all), hash(&changed));
}

fn refused(documents: &[String], entry: Option<&str>, expected: &str) {
    let error = load(documents, entry).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_cannot_be_linked_is_told_with_its_place() {
    let set = |name: &str, of: &str| {
        document(
            "PolicySet",
            name,
            &format!("  include: [{{ policy: {of} }}]"),
        )
    };
    refused(
        &[set("a", "b"), set("b", "c"), set("c", "a")],
        Some("a"),
        "a includes b includes c includes a: sets include each other",
    );
    refused(&[set("a", "a")], Some("a"), "a includes a");
    refused(
        &[set("a", "orgg"), organisation()[0].clone()],
        None,
        "did you mean `org`?",
    );
    refused(
        &[organisation()[0].clone(), organisation()[1].clone()],
        None,
        "several policies could decide, name one: finance, org",
    );
    refused(
        &[organisation()[0].clone(), organisation()[0].clone()],
        None,
        "a second policy named `org`",
    );
    refused(&organisation(), Some("acm"), "did you mean `acme`?");
    refused(
        &[document("PolicySet", "a", "  include: []")],
        None,
        "a set without a policy",
    );
    refused(
        &[document("PolicyBag", "a", "  {}")],
        None,
        "unknown kind of document `PolicyBag`",
    );
}

#[test]
fn what_would_widen_or_never_end_is_refused() {
    let twice = document(
        "PolicySet",
        "a",
        "  include: [{ policy: org }, { policy: org }]",
    );
    refused(
        &[organisation()[0].clone(), twice],
        None,
        "`org` is included twice",
    );
    let priced = document(
        "PlacementPolicy",
        "over",
        "  objective: { usdPerSecond: 0 }",
    );
    let set = document(
        "PolicySet",
        "a",
        "  include: [{ policy: org }, { policy: over }]",
    );
    refused(
        &[organisation()[0].clone(), priced, set],
        None,
        "whose objective holds",
    );
    let guarded = document(
        "PolicySet",
        "a",
        "  include: [{ policy: org, when: 'true' }]",
    );
    refused(
        &[organisation()[0].clone(), guarded],
        None,
        "it always holds",
    );
    let depth: Vec<String> = (0..12)
        .map(|i| {
            document(
                "PolicySet",
                &format!("s{i}"),
                &format!("  include: [{{ policy: s{} }}]", i + 1),
            )
        })
        .collect();
    refused(&depth, Some("s0"), "more than 8 deep");
}

#[test]
fn a_deprecated_name_is_understood() {
    let text = document(
        "PlacementPolicy",
        "p",
        "  rules: [{ name: r, when: 'request.tokenCount > 3', boundary: device }]\n  default: { boundary: cloud }",
    );
    let policy = load(&[text], None).unwrap();
    let record = read_request("r", "facts: { request: { tokens: 4 } }").unwrap();
    assert_eq!(policy.replay(&record).boundary(), Boundary::Device);
}
