//! What would change is counted once, and what newly travels is seen.

use tideline_proto::tideline::policy::v1 as wire;
use tideline_proto::tideline::telemetry::v1::Outcome;

use super::*;

fn candidate(kind: wire::PlacementKind, boundary: wire::Boundary, cost: f64) -> wire::Verdict {
    let candidate = wire::Candidate {
        kind: kind.into(),
        site: Some(wire::Site {
            name: kind.as_str_name().to_owned(),
            boundary: boundary.into(),
        }),
        prediction: Some(wire::Prediction {
            latency_seconds: 0.1,
            latency_sd_seconds: 0.01,
            cost_usd: Some(cost),
            error_probability: if cost > 0.0 { 0.0 } else { 0.5 },
            ..wire::Prediction::default()
        }),
        ..wire::Candidate::default()
    };
    wire::Verdict {
        candidate: Some(candidate),
        ..wire::Verdict::default()
    }
}

fn outcome(labels: &[&str], chosen: u32) -> OutcomeRecord {
    let request = wire::RequestFacts {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..wire::RequestFacts::default()
    };
    let decision = wire::Decision {
        chosen: Some(chosen),
        table: vec![
            candidate(wire::PlacementKind::Device, wire::Boundary::Device, 0.0),
            candidate(wire::PlacementKind::Cloud, wire::Boundary::Cloud, 0.01),
        ],
        facts: Some(wire::Facts {
            request: Some(request),
            ..wire::Facts::default()
        }),
        asked_boundary: wire::Boundary::Cloud.into(),
        ..wire::Decision::default()
    };
    OutcomeRecord {
        outcome: Some(Outcome {
            decision: Some(decision),
            ..Outcome::default()
        }),
        ..OutcomeRecord::default()
    }
}

#[test]
fn what_would_newly_travel_is_seen_and_the_rest_is_summed() {
    let policy = Policy::compile("new", "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: new }\nspec:\n  rules: [{ name: mail, when: '\"pii.email\" in request.labels', boundary: device }]\n  default: { boundary: cloud }\n").unwrap();
    let outcomes = [
        outcome(&["pii.email"], 0),
        outcome(&["pii.phone"], 0),
        outcome(&[], 1),
        OutcomeRecord::default(),
    ];
    let change = replay(&policy, outcomes.iter());
    assert_eq!((change.requests, change.skipped, change.denied), (4, 1, 0));
    assert_eq!(change.egress.len(), 1);
    assert_eq!(change.egress[0].labels, ["pii.phone"]);
    assert_eq!(change.cost.percent(), Some(100.0));
    assert_eq!(change.latency.change_text("s"), "+0.000000 ± 0.027719 s");
    assert_eq!(
        change.moved.iter().map(|(.., count)| count).sum::<usize>(),
        3
    );
    let broken = |text: &str| limit::parse(text).unwrap().broken(&change);
    assert!(broken("egress").is_some() && broken("cost>5%").is_some());
    assert!(
        broken("denied").is_none()
            && broken("latency>1%").is_none()
            && broken("cost>100").is_none()
    );
}

#[test]
fn ages_and_limits_are_read_or_refused() {
    assert_eq!(age("7d"), Ok(Duration::from_secs(7 * 86_400)));
    for wrong in ["", "d", "7", "7w", "-1d", "é"] {
        assert!(age(wrong).is_err(), "{wrong}");
    }
    for wrong in [
        "", "egres", "cost", "cost>", "cost>x%", "price>5%", "cost>inf",
    ] {
        assert!(limit::parse(wrong).is_err(), "{wrong}");
    }
}
