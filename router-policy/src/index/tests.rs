//! The index finds what looking at every rule finds.

use proptest::prelude::*;

use crate::facts::View;
use crate::{Facts, Label, Policy, RequestFacts, SlowFacts, Tokens, UserFacts};

fn condition() -> impl Strategy<Value = String> {
    let app = prop::sample::select(vec!["mail", "crm", "ide"]);
    let label = prop::sample::select(vec!["pii.", "pii.email", "secret.jwt", "p"]);
    let group = prop::sample::select(vec!["engineering", "research"]);
    let leaf = prop_oneof![
        app.clone()
            .prop_map(|app| format!("request.app == \"{app}\"")),
        app.clone()
            .prop_map(|app| format!("request.app in [\"{app}\", \"x\"]")),
        app.prop_map(|app| format!("request.app != \"{app}\"")),
        label
            .clone()
            .prop_map(|l| format!("\"{l}\" in request.labels")),
        label
            .clone()
            .prop_map(|l| format!("request.labels.exists(l, l.startsWith(\"{l}\"))")),
        label.clone().prop_map(|l| format!(
            "request.labels.exists(l, l == \"{l}\" || l in [\"a\", \"pii.phone\"])"
        )),
        label.prop_map(|l| format!("request.labels.all(l, l.startsWith(\"{l}\"))")),
        group.prop_map(|g| format!("\"{g}\" in user.groups")),
        (
            0_u32..40,
            prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="])
        )
            .prop_map(|(n, op)| format!("request.tokens {op} {n}")),
        (0_u32..40).prop_map(|n| format!("{n} < request.tokens")),
        Just("device.onAcPower".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    (
        prop::sample::select(vec!["mail", "crm", "x", ""]),
        prop::collection::vec(
            prop::sample::select(vec!["pii.email", "pii.phone", "secret.jwt", "a"]),
            0..3,
        ),
        prop::collection::vec(prop::sample::select(vec!["engineering", "sales"]), 0..2),
        0_u32..40,
    )
        .prop_map(|(app, labels, groups, tokens)| Facts {
            request: RequestFacts {
                app: app.into(),
                labels: labels.into_iter().map(Label::new).collect(),
                tokens: Tokens::new(tokens),
                ..RequestFacts::default()
            },
            slow: SlowFacts {
                user: UserFacts {
                    groups: groups.into_iter().map(Into::into).collect(),
                    ..UserFacts::default()
                },
                ..SlowFacts::default()
            },
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_index_finds_exactly_the_rules_that_hold(
        conditions in prop::collection::vec(condition(), 1..90),
        facts in facts(),
    ) {
        let mut text = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: x }\nspec:\n  rules:\n".to_owned();
        for (index, condition) in conditions.iter().enumerate() {
            text.push_str(&format!("    - {{ name: r{index}, when: '{condition}', boundary: device }}\n"));
        }
        let policy = Policy::compile("x", &text).unwrap();
        let view = View { request: &facts.request, slow: &facts.slow };
        let looked_at: Vec<_> = policy.0.rules.iter().filter(|rule| rule.when.holds(view)).map(|rule| rule.name.clone()).collect();
        let index = super::Index::new(policy.0.settled(&facts.slow));
        let found: Vec<_> = index.matched(view).iter().map(|id| policy.0.rule(*id).unwrap().name.clone()).collect();
        prop_assert_eq!(found, looked_at);
    }
}
