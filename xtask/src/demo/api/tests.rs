//! What is read from an answer's headers.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::HeaderMap;

use super::{Answer, read};

fn answer(headers: &[(&'static str, String)], body: &Value) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().expect("a header"));
    }
    read(200, &map, body, Duration::from_millis(3))
}

#[test]
fn labels_prediction_and_the_price_of_the_cloud_come_from_the_whole_decision() {
    let candidate = |boundary: &str, variant: &str, latency: f64, cost: f64| {
        json!({
            "site": { "boundary": boundary },
            "variant": variant,
            "prediction": { "latency": latency, "cost": cost },
        })
    };
    let debug = json!({
        "facts": { "request": { "labels": ["pii.email"] } },
        "decision": {
            "order": [1, 0],
            "table": [
                candidate("device", "fp32", 0.004, 0.0),
                candidate("device", "int8", 0.002, 0.0),
                candidate("cloud", "fp32", 0.009, 0.000_002),
            ],
        },
    });
    let headers = [
        ("x-tideline-placement", "device".to_owned()),
        ("x-tideline-provider", "CPUExecutionProvider".to_owned()),
        ("x-tideline-cost-usd", "0".to_owned()),
        ("x-tideline-debug", debug.to_string()),
    ];
    let answer = answer(&headers, &json!({ "data": [] }));
    assert_eq!(answer.labels, ["pii.email"]);
    assert_eq!(answer.predicted, Some(Duration::from_millis(2)));
    assert_eq!(answer.cloud_usd, Some(0.000_002));
    assert_eq!(answer.served.as_deref(), Some("int8 on CPU"));
    assert_eq!(answer.cost_usd, Some(0.0));
    assert!(answer.error.is_none());
}

#[test]
fn what_an_answer_does_not_say_is_unknown_and_never_zero() {
    let error = json!({ "error": { "code": "policy_denied", "message": "no" } });
    let answer = answer(&[], &error);
    assert_eq!(
        answer.error,
        Some(("policy_denied".to_owned(), "no".to_owned()))
    );
    assert_eq!(
        (answer.cost_usd, answer.cloud_usd, answer.predicted),
        (None, None, None)
    );
    assert!(answer.labels.is_empty() && answer.placement.is_none());
}
