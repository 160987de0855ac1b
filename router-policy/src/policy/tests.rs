//! Rules only narrow, whatever their order; what is missing is the narrowest; reasons can be read.

use proptest::prelude::*;

use super::*;
use crate::candidate::{Availability, Candidate, PlacementKind, Prediction, Site};
use crate::decision::Nothing;
use crate::facts::{Facts, Label, SignalName};
use crate::mode::Mode;
use crate::replay::Record;
use crate::units::{Probability, Seconds, Tokens, Usd, WattHours};

const HEAD: &str = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: test }\n";

fn policy(spec: &str) -> Policy {
    match Policy::compile("test.yaml", &format!("{HEAD}spec:\n{spec}")) {
        Ok(policy) => policy,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

fn candidate(kind: PlacementKind, latency: f64, cost: Option<f64>) -> Candidate {
    let (name, boundary) = match kind {
        PlacementKind::Device => ("device", Boundary::Device),
        PlacementKind::Split | PlacementKind::Cloud | PlacementKind::Cascade => {
            ("cloud", Boundary::Cloud)
        }
    };
    Candidate {
        kind,
        site: Site {
            name: name.into(),
            boundary,
        },
        model: "minilm".into(),
        variant: "int8".into(),
        provider: "cpu".into(),
        prediction: Prediction {
            latency: Seconds::clamped(latency),
            latency_sd: Seconds::ZERO,
            cost: cost.map(Usd::clamped),
            energy: WattHours::ZERO,
            p_error: Probability::new(0.0),
        },
        availability: Availability::Ready,
        redacts: false,
    }
}

fn both() -> Vec<Candidate> {
    vec![
        candidate(PlacementKind::Device, 0.002, Some(0.0)),
        candidate(PlacementKind::Cloud, 0.001, Some(1e-9)),
    ]
}

fn request(labels: &[&str]) -> RequestFacts {
    RequestFacts {
        task: "embedding".into(),
        tokens: Tokens::new(300),
        labels: labels.iter().map(|label| Label::new(label)).collect(),
        ..RequestFacts::default()
    }
}

fn ask(
    policy: &Policy,
    request: &RequestFacts,
    mode: Mode,
    candidates: Vec<Candidate>,
) -> Decision {
    let question = Question {
        request: request.clone(),
        mode,
        boundary: Boundary::Cloud,
        candidates,
    };
    policy.decide(&SlowFacts::default(), question)
}

const REGULATED: &str = "
  rules:
    - name: regulated-data-stays
      when: 'request.labels.exists(l, l.startsWith(\"pii.\") || l.startsWith(\"secret.\"))'
      boundary: device
  default: { boundary: cloud }
";

#[test]
fn what_a_policy_keeps_on_the_device_gets_no_permit_to_leave_it() {
    let policy = policy(REGULATED);
    let decision = ask(&policy, &request(&["pii.email"]), Mode::Unstated, both());
    assert_eq!(
        (decision.boundary(), decision.order()),
        (Boundary::Device, &[0][..])
    );
    assert!(
        decision.permit(0).is_none()
            && decision.permit(1).is_none()
            && decision.permit(9).is_none()
    );
    assert_eq!(
        decision.reason(),
        "device: rule regulated-data-stays, request.labels = [pii.email]"
    );
}

#[test]
fn what_may_travel_goes_where_it_is_worth_most() {
    let policy = policy(REGULATED);
    let decision = ask(&policy, &request(&[]), Mode::Unstated, both());
    assert_eq!(decision.order(), [1, 0]);
    let permit = decision.permit(1).unwrap();
    assert_eq!(
        (permit.boundary(), &*permit.site()),
        (Boundary::Cloud, "cloud")
    );
    assert!(
        decision.permit(0).is_none(),
        "what runs on the device needs none"
    );
    assert!(
        decision
            .reason()
            .starts_with("cloud is worth most: 0.00000200"),
        "{}",
        decision.reason()
    );
}

#[test]
fn without_a_policy_nothing_leaves() {
    let decision = ask(
        &Policy::closed(),
        &request(&[]),
        Mode::PreferInCloud,
        both(),
    );
    assert_eq!(
        (decision.boundary(), decision.order()),
        (Boundary::Device, &[0][..])
    );
}

#[test]
fn what_a_document_leaves_out_is_the_narrowest() {
    let policy = policy("  rules: []\n");
    assert_eq!(
        ask(&policy, &request(&[]), Mode::Unstated, both()).boundary(),
        Boundary::Device
    );
}

#[test]
fn a_signal_that_failed_counts_as_sensitive() {
    let policy = policy("  default: { boundary: cloud }\n");
    let mut request = request(&[]);
    request.failed_signals.push(SignalName::new("labels"));
    let decision = ask(&policy, &request, Mode::Unstated, both());
    assert_eq!(decision.boundary(), Boundary::Device);
    assert_eq!(
        decision.reason(),
        "device: onError, since signal labels failed"
    );
}

#[test]
fn the_hop_before_can_narrow() {
    let policy = policy("  default: { boundary: cloud }\n");
    let question = Question {
        request: request(&[]),
        mode: Mode::Unstated,
        boundary: Boundary::Private,
        candidates: both(),
    };
    assert_eq!(policy.decide(&SlowFacts::default(), question).order(), [0]);
}

#[test]
fn a_caller_s_wish_narrows_and_orders_but_never_widens() {
    let open = policy("  default: { boundary: cloud }\n");
    let check = |mode, expected: &[usize]| {
        assert_eq!(
            ask(&open, &request(&[]), mode, both()).order(),
            expected,
            "{mode:?}"
        )
    };
    check(Mode::OnlyOnDevice, &[0]);
    check(Mode::PreferOnDevice, &[0, 1]);
    check(Mode::PreferInCloud, &[1, 0]);
    check(Mode::OnlyInCloud, &[1]);
    let decision = ask(
        &policy(REGULATED),
        &request(&["secret.aws_key"]),
        Mode::OnlyInCloud,
        both(),
    );
    assert_eq!(decision.chosen(), Err(Nothing::Denied));
    assert!(decision.permit(1).is_none());
}

#[test]
fn what_is_avoided_serves_when_nothing_else_can() {
    let policy = policy("
  rules:
    - { name: save-battery, when: '!device.onAcPower && device.batteryPercent < 20', avoid: [device] }
  default: { boundary: cloud }
");
    let slow = SlowFacts {
        device: crate::DeviceFacts {
            on_ac_power: false,
            battery_percent: 9,
            ..crate::DeviceFacts::default()
        },
        ..SlowFacts::default()
    };
    let ask = |candidates| {
        let question = Question {
            request: request(&[]),
            mode: Mode::Unstated,
            boundary: Boundary::Cloud,
            candidates,
        };
        policy.decide(&slow, question)
    };
    let decision = ask(both());
    assert_eq!(
        (decision.order(), &*decision.reason()),
        (&[1, 0][..], "cloud: rule save-battery avoids the other")
    );
    let mut away = both();
    away[1].availability = Availability::Unavailable("the gateway cannot be reached".into());
    let decision = ask(away);
    assert_eq!(decision.order(), [0]);
    assert_eq!(
        decision.reason(),
        "device though rule save-battery avoids it: the other cannot serve: the gateway cannot be reached"
    );
}

#[test]
fn nothing_that_can_serve_and_nothing_that_may_are_told_apart() {
    let policy = policy("  default: { boundary: cloud }\n");
    let mut away = vec![candidate(PlacementKind::Cloud, 0.001, None)];
    away[0].availability = Availability::Unavailable("offline".into());
    assert_eq!(
        ask(&policy, &request(&[]), Mode::Unstated, away).chosen(),
        Err(Nothing::Unavailable)
    );
    let only_there = vec![candidate(PlacementKind::Cloud, 0.001, None)];
    assert_eq!(
        ask(&Policy::closed(), &request(&[]), Mode::Unstated, only_there).chosen(),
        Err(Nothing::Denied)
    );
}

#[test]
fn an_unknown_cost_never_counts_as_nothing() {
    let policy = policy("  default: { boundary: cloud }\n");
    let unknown = vec![
        candidate(PlacementKind::Device, 0.002, Some(0.5)),
        candidate(PlacementKind::Cloud, 0.002, None),
    ];
    let decision = ask(&policy, &request(&[]), Mode::Unstated, unknown);
    let score = decision.score(1).unwrap();
    assert!(score.cost_is_assumed && (score.cost_usd - 0.5).abs() < 1e-12);
}

#[test]
fn everything_that_is_wrong_is_told_in_one_run_with_its_place() {
    let source = format!(
        "{HEAD}spec:
  rules:
    - name: one
      wen: 'true'
      boundary: device
    - name: two
      when: 'request.token > 100'
      boundary: devise
    - name: three
      when: 'request.tokens > \"100\"'
      avoid: [devices]
  default: {{ boundary: cloud }}
"
    );
    let text = Policy::compile("acme.yaml", &source)
        .unwrap_err()
        .to_string();
    let expected = "\
error: unknown field in a rule `wen`
 --> acme.yaml:7:7
  |
7 |       wen: 'true'
  |       ^^^
  = did you mean `when`?
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("--> acme.yaml:10:14\n"), "{text}");
    assert_eq!(
        text.matches("error:").count(),
        5,
        "one thing wrong is told once\n{text}"
    );
    for expected in [
        "unknown fact `request.token`",
        "did you mean `request.tokens`?",
        "unknown boundary `devise`",
        "did you mean `device`?",
        "int cannot be compared with string",
        "unknown placement kind `devices`",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn hostile_documents_are_refused_in_bounded_time() {
    let check = |source: &str, expected: &str| {
        let text = Policy::compile("x", source).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    };
    check(&"a".repeat(10 << 20), "bytes, at most");
    check(&"[".repeat(40), "nested more than");
    check(&"[".repeat(100_000), "not valid YAML");
    check("a: &x [1]\nb: *x\n", "anchors are not read here");
    check(&"---\na: 1\n".repeat(200), "more than 100 documents");
    check(&format!("{HEAD}{HEAD}"), "stands here twice");
    check("", "the source is empty");
    check("a: [1", "not valid YAML");
    let with = |when: &str| {
        format!("{HEAD}spec:\n  rules:\n    - {{ name: x, when: '{when}', boundary: device }}\n")
    };
    for deep in [
        format!("{}true{}", "(".repeat(5000), ")".repeat(5000)),
        format!("request{}", ".a".repeat(8000)),
        format!("true{}", " == true".repeat(2000)),
        format!("1{} > 2", "+1".repeat(7000)),
        format!("request.labels{}", "[0]".repeat(5000)),
        format!("{}true", "true?true:".repeat(1600)),
    ] {
        check(&with(&deep), "nests more than");
    }
    check(
        &with("request.app.matches(\"(a{1000}){1000}\")"),
        "needs too much memory",
    );
    check(
        &with("request.app.matches(\"(a\")"),
        "not a regular expression",
    );
    let long = format!("request.app == \"{}\"", "x".repeat(20_000));
    check(
        &format!("{HEAD}spec:\n  rules:\n    - {{ name: x, when: '{long}', boundary: device }}\n"),
        "bytes, at most",
    );
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let when = prop::sample::select(vec![
        "request.tokens > 100",
        "request.labels.exists(l, l == \"pii.email\")",
        "request.app in [\"mail\", \"editor\"]",
        "device.onAcPower",
        "network.rttMs > 20.5 || !network.online",
        "user.groups.all(g, g != \"guests\")",
        "size(request.labels) == 0",
    ]);
    let effect = prop::sample::select(vec![
        "boundary: device",
        "boundary: private",
        "boundary: cloud",
        "avoid: [device]",
        "avoid: [cloud, split]",
    ]);
    prop::collection::vec(
        (when, effect).prop_map(|(when, effect)| format!("when: '{when}', {effect}")),
        0..6,
    )
}

fn with_rules(rules: &[String]) -> Policy {
    let mut spec = "  default: { boundary: cloud }\n  rules:\n".to_owned();
    for (index, rule) in rules.iter().enumerate() {
        spec += &format!("    - {{ name: rule-{index}, {rule} }}\n");
    }
    if rules.is_empty() {
        policy("  default: { boundary: cloud }\n")
    } else {
        policy(&spec)
    }
}

fn requests() -> impl Strategy<Value = RequestFacts> {
    let labels = prop::collection::vec(prop::sample::select(vec!["pii.email", "secret.jwt"]), 0..3);
    (
        labels,
        0_u32..300,
        prop::sample::select(vec!["mail", "other"]),
    )
        .prop_map(|(labels, tokens, app)| RequestFacts {
            tokens: Tokens::new(tokens),
            app: app.into(),
            ..request(&labels)
        })
}

fn slow_facts() -> impl Strategy<Value = SlowFacts> {
    (any::<bool>(), any::<bool>(), 0.0..50.0).prop_map(|(power, online, rtt_ms)| SlowFacts {
        device: crate::DeviceFacts {
            on_ac_power: power,
            ..crate::DeviceFacts::default()
        },
        network: crate::NetworkFacts {
            online,
            rtt_ms,
            ..crate::NetworkFacts::default()
        },
        ..SlowFacts::default()
    })
}

proptest! {
    #[test]
    fn the_order_of_rules_never_matters(rules in rules(), request in requests(), slow in slow_facts()) {
        let mut turned = rules.clone();
        turned.reverse();
        let decide = |rules: &[String]| {
            let question = Question { request: request.clone(), mode: Mode::Unstated, boundary: Boundary::Cloud, candidates: both() };
            let decision = with_rules(rules).decide(&slow, question);
            (decision.boundary(), decision.order().to_vec())
        };
        prop_assert_eq!(decide(&rules), decide(&turned));
    }

    #[test]
    fn one_more_rule_never_widens(rules in rules(), more in rules(), request in requests(), slow in slow_facts()) {
        let all: Vec<String> = rules.iter().chain(&more).cloned().collect();
        let decide = |rules: &[String]| {
            let question = Question { request: request.clone(), mode: Mode::Unstated, boundary: Boundary::Cloud, candidates: both() };
            with_rules(rules).decide(&slow, question)
        };
        let (few, many) = (decide(&rules), decide(&all));
        prop_assert!(many.boundary() <= few.boundary());
        for index in many.order() {
            prop_assert!(few.order().contains(index), "what was refused stays refused");
        }
    }

    #[test]
    fn a_decision_replays_to_the_same_result(rules in rules(), request in requests(), slow in slow_facts()) {
        let policy = with_rules(&rules);
        let record = Record { facts: Facts { request, slow }, mode: Mode::PreferOnDevice, boundary: Boundary::Cloud, candidates: both() };
        let kept: Record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        prop_assert_eq!(policy.replay(&kept), policy.replay(&record));
    }

    #[test]
    fn no_document_makes_the_compiler_panic(text in "[a-zA-Z0-9:\\-\\[\\]{}'\"\n ,.&*!|>#]{0,300}") {
        let _ = Policy::compile("x", &text);
        let _ = Policy::compile("x", &format!("{HEAD}spec:\n  rules:\n    - name: x\n      boundary: device\n      when: {text:?}\n"));
    }
}
