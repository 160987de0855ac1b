//! Proofs about what a gateway can make an agent believe.

use tideline_proto::tideline::fleet::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;
use wire::gateway_message::Message;

use super::{FromGateway, message};
use crate::fleet::message::{BackendHint, SiteBoundary};

fn hint() -> wire::BackendHint {
    wire::BackendHint {
        site: Some(policy::Site {
            name: "eu".into(),
            boundary: policy::Boundary::Cloud.into(),
        }),
        model: "minilm".into(),
        task: policy::Task::Embedding.into(),
        fixed_seconds: 0.01,
        ..Default::default()
    }
}

/// What is believed of a hint, or why not.
#[expect(
    clippy::unwrap_in_result,
    reason = "what fails to arrive fails the test"
)]
fn believed(hint: wire::BackendHint) -> Result<BackendHint, String> {
    let told = wire::Hints {
        backends: vec![hint],
        ..Default::default()
    };
    let said = wire::GatewayMessage {
        message: Some(Message::Hints(told)),
    };
    let (decoded, mut bad) = message(said).unwrap();
    let FromGateway::Hints(mut hints) = decoded else {
        panic!("{decoded:?}")
    };
    hints
        .backends
        .pop()
        .ok_or_else(|| bad.pop().unwrap().to_string())
}

#[test]
fn a_hint_is_read_as_it_was_said() {
    let hint = believed(hint()).unwrap();
    assert_eq!(
        (hint.site.boundary, hint.price, hint.unavailable),
        (SiteBoundary::Cloud, None, None)
    );
}

#[test]
fn no_gateway_can_make_a_place_beyond_the_laptop_count_as_the_laptop() {
    for boundary in [
        policy::Boundary::Device.into(),
        policy::Boundary::Unspecified.into(),
        99,
    ] {
        let site = Some(policy::Site {
            name: "eu".into(),
            boundary,
        });
        let problem = believed(wire::BackendHint { site, ..hint() }).unwrap_err();
        assert_eq!(problem, "the gateway's site is neither private nor cloud");
    }
}

#[test]
fn numbers_that_are_none_are_not_believed() {
    for number in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(
            believed(wire::BackendHint {
                fixed_seconds: number,
                ..hint()
            })
            .is_err()
        );
        assert!(
            believed(wire::BackendHint {
                usd_per_million_tokens: Some(number),
                ..hint()
            })
            .is_err()
        );
    }
}

#[test]
fn names_and_texts_are_short() {
    assert!(
        believed(wire::BackendHint {
            model: "m".repeat(257),
            ..hint()
        })
        .is_err()
    );
    assert!(
        believed(wire::BackendHint {
            model: "a\nb".into(),
            ..hint()
        })
        .is_err()
    );
    let long = believed(wire::BackendHint {
        unavailable: "x\n".repeat(9000),
        ..hint()
    })
    .unwrap();
    assert_eq!(long.unavailable.map(|text| text.len()), Some(256));
}

#[test]
fn one_bad_hint_does_not_spoil_the_others() {
    let bad = wire::BackendHint {
        fixed_seconds: -1.0,
        ..hint()
    };
    let told = wire::Hints {
        backends: vec![bad, hint()],
        ..Default::default()
    };
    let (decoded, bad) = message(wire::GatewayMessage {
        message: Some(Message::Hints(told)),
    })
    .unwrap();
    assert!(matches!(decoded, FromGateway::Hints(hints) if hints.backends.len() == 1));
    assert_eq!(bad.len(), 1);
}

#[test]
fn what_a_newer_gateway_says_is_let_pass() {
    let (decoded, _) = message(wire::GatewayMessage { message: None }).unwrap();
    assert!(matches!(decoded, FromGateway::Unasked(_)));
}
