//! What a condition means is what CEL says it means: our results are held against the interpreter of
//! the `cel` crate.

use std::sync::Arc;

use cel::{Context, Program, Value};
use proptest::prelude::*;

use super::*;
use crate::facts::{DeviceFacts, Label, NetworkFacts, RequestFacts, SlowFacts, UserFacts, View};
use crate::units::Tokens;

pub(crate) fn compiled(text: &str) -> Result<Bool, String> {
    let mut report = Reporter::new("x.cel", text);
    let whole = Span {
        start: 0,
        end: text.len(),
    };
    let source = Located {
        text: text.to_owned(),
        span: whole,
        style: ScalarStyle::Plain,
    };
    let condition = compile(&source, &mut report);
    condition.ok_or_else(|| report.finish().to_string())
}

fn check_refused(text: &str, expected: &str) {
    let error = compiled(text).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn types_and_names_are_checked_with_their_place() {
    check_refused(
        "request.tokens > \"100\"",
        "int cannot be compared with string",
    );
    check_refused("true && request.tokenz > 1", "--> x.cel:1:9\n");
    check_refused("request.tokenz > 1", "did you mean `request.tokens`?");
    check_refused("reqest.tokens > 1", "unknown fact `reqest.tokens`");
    check_refused("request", "a group of facts");
    check_refused("request.tokens", "a condition is true or false");
    check_refused(
        "request.labels.exists(l, l > 3)",
        "string cannot be compared with int",
    );
    check_refused("request.app.match(\"a\")", "did you mean `matches`?");
    check_refused(
        "request.tokens + 1 > 2",
        "the operator `+` is not supported",
    );
    check_refused(
        "request.labels.map(l, l) == []",
        "`exists` and `all` are supported",
    );
    check_refused("request.labels[0] == \"x\"", "is not supported");
    check_refused("1 ==", "not valid CEL");
}

/// The facts as the interpreter takes them.
#[expect(
    clippy::disallowed_types,
    reason = "the interpreter's maps are made from such; nothing is decided by their order"
)]
fn context(view: View<'_>) -> Context<'static, 'static> {
    let text = |text: &str| Value::String(Arc::new(text.to_owned()));
    let list = |texts: Vec<Value>| Value::List(Arc::new(texts));
    let map = |entries: Vec<(&str, Value)>| {
        let entries: std::collections::HashMap<String, Value> = entries
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect();
        Value::from(entries)
    };
    let mut context = Context::default();
    let labels = view
        .request
        .labels
        .iter()
        .map(|label| text(label.as_str()))
        .collect();
    context.add_variable_from_value(
        "request",
        map(vec![
            ("tokens", Value::Int(i64::from(view.request.tokens.get()))),
            ("app", text(&view.request.app)),
            ("labels", list(labels)),
        ]),
    );
    context.add_variable_from_value(
        "device",
        map(vec![
            ("onAcPower", Value::Bool(view.slow.device.on_ac_power)),
            (
                "batteryPercent",
                Value::Int(i64::from(view.slow.device.battery_percent)),
            ),
        ]),
    );
    context.add_variable_from_value(
        "network",
        map(vec![("rttMs", Value::Float(view.slow.network.rtt_ms))]),
    );
    let groups = view
        .slow
        .user
        .groups
        .iter()
        .map(|group| text(group))
        .collect();
    context.add_variable_from_value("user", map(vec![("groups", list(groups))]));
    context
}

pub(crate) fn expressions() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "request.app",
        "\"pii.email\"",
        "\"mail\"",
        "\"\"",
        "\"é\"",
    ]);
    let number = prop::sample::select(vec![
        "request.tokens",
        "device.batteryPercent",
        "network.rttMs",
        "50",
        "50.0",
        "-1",
        "0.5",
        "size(request.labels)",
        "size(request.app)",
    ]);
    let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let list = prop::sample::select(vec![
        "request.labels",
        "user.groups",
        "[\"mail\", \"pii.email\"]",
        "[]",
    ]);
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("device.onAcPower".to_owned()),
        (number.clone(), compare.clone(), number).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text.clone(), compare, text.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text.clone(), list.clone()).prop_map(|(a, l)| format!("{a} in {l}")),
        (
            text.clone(),
            prop::sample::select(vec!["startsWith", "endsWith", "contains"]),
            text.clone()
        )
            .prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
        (
            list.clone(),
            prop::sample::select(vec!["exists", "all"]),
            text.clone()
        )
            .prop_map(|(l, f, t)| format!("{l}.{f}(x, x.startsWith({t}))")),
        (list.clone(), list).prop_map(|(a, b)| format!("{a}.exists(x, {b}.all(y, x == y))")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) == ({b})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
}

pub(crate) fn facts() -> impl Strategy<Value = (RequestFacts, SlowFacts)> {
    let name = prop::sample::select(vec!["pii.email", "mail", "", "é", "secret.jwt"]);
    let names = prop::collection::vec(name.clone(), 0..3);
    (
        0_u32..100,
        name,
        names.clone(),
        names,
        any::<bool>(),
        0_u32..=100,
        prop::sample::select(vec![0.0, 0.5, 50.0, 99.9]),
    )
        .prop_map(|(tokens, app, labels, groups, power, battery, rtt_ms)| {
            let request = RequestFacts {
                tokens: Tokens::new(tokens),
                app: app.into(),
                labels: labels.into_iter().map(Label::new).collect(),
                ..RequestFacts::default()
            };
            let slow = SlowFacts {
                device: DeviceFacts {
                    on_ac_power: power,
                    battery_percent: battery,
                    ..DeviceFacts::default()
                },
                network: NetworkFacts {
                    rtt_ms,
                    ..NetworkFacts::default()
                },
                user: UserFacts {
                    groups: groups.into_iter().map(Into::into).collect(),
                    ..UserFacts::default()
                },
                ..SlowFacts::default()
            };
            (request, slow)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn our_result_is_the_interpreter_s(text in expressions(), (request, slow) in facts()) {
        let view = View { request: &request, slow: &slow };
        let ours = compiled(&text).map(|condition| condition.holds(view));
        let theirs = Program::compile(&text).unwrap().execute(&context(view)).unwrap();
        prop_assert_eq!(ours.map(Value::Bool), Ok(theirs), "{}", text);
    }
}
