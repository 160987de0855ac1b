//! A run that did not go well is not called one that did.

use std::time::Duration;

use super::{Answer, Exchange, Sample, Witness, complaints, percentile};

fn exchange(sensitive: bool, placement: &str) -> Exchange {
    Exchange {
        sample: Sample {
            app: "notes".to_owned(),
            mode: None,
            sensitive,
            text: "text".to_owned(),
        },
        answer: Answer {
            status: 200,
            error: None,
            latency: Duration::from_millis(2),
            placement: Some(placement.to_owned()),
            served: None,
            reason: String::new(),
            decision_id: None,
            cost_usd: None,
            labels: if sensitive {
                vec!["pii.email".to_owned()]
            } else {
                Vec::new()
            },
            predicted: None,
            cloud_usd: None,
        },
    }
}

fn refused(mode: &str, sensitive: bool) -> Exchange {
    let mut exchange = exchange(sensitive, "device");
    exchange.sample.mode = Some(mode.to_owned());
    exchange.answer.placement = None;
    exchange.answer.error = Some(("policy_denied".to_owned(), "no".to_owned()));
    exchange
}

#[track_caller]
fn check(exchanges: &[Exchange], witness: &Witness, expected: &[&str]) {
    let complaints = complaints(exchanges, witness);
    assert_eq!(complaints.len(), expected.len(), "{complaints:?}");
    for (complaint, part) in complaints.iter().zip(expected) {
        assert!(complaint.contains(part), "{complaint}");
    }
}

#[test]
fn all_is_well_when_sensitive_texts_stay_and_the_gateway_agrees() {
    let exchanges = [
        exchange(false, "cloud"),
        exchange(false, "device"),
        exchange(true, "device"),
        refused("only-in-cloud", true),
    ];
    check(
        &exchanges,
        &Witness {
            served: 1,
            outcomes: 4,
            sensitive_away: 0,
        },
        &[],
    );
}

#[test]
fn a_sensitive_text_that_leaves_is_named() {
    let witness = Witness {
        served: 1,
        outcomes: 1,
        sensitive_away: 1,
    };
    check(
        &[exchange(true, "cloud")],
        &witness,
        &["text 1: sensitive, and it left", "with labels"],
    );
}

#[test]
fn a_text_whose_kind_was_not_found_is_named() {
    let mut missed = exchange(true, "device");
    missed.answer.labels.clear();
    let witness = Witness {
        served: 0,
        outcomes: 1,
        sensitive_away: 0,
    };
    check(&[missed], &witness, &["text 1: found []"]);
}

#[test]
fn a_refusal_that_nobody_asked_for_is_named() {
    let witness = Witness {
        served: 0,
        outcomes: 1,
        sensitive_away: 0,
    };
    check(
        &[refused("prefer-in-cloud", false)],
        &witness,
        &["text 1: status 200, policy_denied"],
    );
}

#[test]
fn the_gateway_is_believed_against_the_agent() {
    let witness = Witness {
        served: 2,
        outcomes: 0,
        sensitive_away: 0,
    };
    let expected = [
        "the gateway ran: 2, expected 0",
        "the gateway stored: 0, expected 1",
    ];
    check(&[exchange(false, "device")], &witness, &expected);
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    let times: Vec<_> = (1..=20).map(Duration::from_millis).collect();
    assert_eq!(percentile(&times, 50), Duration::from_millis(10));
    assert_eq!(percentile(&times, 95), Duration::from_millis(19));
    assert_eq!(percentile(&[], 95), Duration::ZERO);
}
