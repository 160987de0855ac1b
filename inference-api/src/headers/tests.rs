//! Tests of what headers say, both ways.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use super::{context, write_error, write_served};
use crate::boundary::{Boundary, Mode};
use crate::error::InferenceError;
use crate::request::ModelName;
use crate::stream::{Placement, Served};
use crate::testing::explanation;

const MOST: Duration = Duration::from_secs(120);

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    pairs.iter().map(pair).collect()
}

fn refusal(name: &'static str, value: &'static str) -> String {
    let error = context(&headers(&[(name, value)]), MOST).unwrap_err();
    assert_eq!(error.param(), Some(name));
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_says_nothing_gets_the_widest_terms() {
    let terms = context(&HeaderMap::new(), MOST).unwrap();
    assert_eq!(terms.boundary, Boundary::Cloud);
    assert_eq!((terms.mode, terms.wants_debug), (None, false));
    assert_eq!(terms.caller.app, None);
    assert_eq!(terms.deadline, Instant::now() + MOST);
}

#[tokio::test(start_paused = true)]
async fn terms_are_read_from_headers() {
    let terms = context(
        &headers(&[
            ("x-tideline-app", "mail-client"),
            ("x-tideline-mode", "only-on-device"),
            ("x-tideline-boundary", "private"),
            ("x-tideline-timeout-ms", "1500"),
            ("x-tideline-debug", "true"),
            ("user-agent", "curl/8"),
        ]),
        MOST,
    )
    .unwrap();
    assert_eq!(terms.caller.app.unwrap().as_str(), "mail-client");
    assert_eq!(terms.mode, Some(Mode::OnlyOnDevice));
    assert_eq!(terms.boundary, Boundary::Private);
    assert_eq!(terms.deadline, Instant::now() + Duration::from_millis(1500));
    assert!(terms.wants_debug);
}

#[tokio::test]
async fn an_app_without_a_name_is_known_by_its_user_agent() {
    let terms = context(&headers(&[("user-agent", "OpenAI/Python 2.1")]), MOST).unwrap();
    assert_eq!(terms.caller.app.unwrap().as_str(), "OpenAI");
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_never_widened() {
    assert_eq!(
        refusal("x-tideline-mode", "on-device-please"),
        "header x-tideline-mode: expected only-on-device, prefer-on-device, prefer-in-cloud or \
         only-in-cloud"
    );
    assert_eq!(
        refusal("x-tideline-boundary", "Device"),
        "header x-tideline-boundary: expected device, private or cloud"
    );
    refusal("x-tideline-app", "my app");
    refusal("x-tideline-timeout-ms", "-1");
    refusal("grpc-timeout", "123456789S");
}

#[tokio::test(start_paused = true)]
async fn a_caller_can_shorten_the_deadline_but_not_extend_it() {
    for (name, value, expected) in [
        ("grpc-timeout", "5S", Duration::from_secs(5)),
        ("grpc-timeout", "250m", Duration::from_millis(250)),
        ("grpc-timeout", "99999999H", MOST),
        ("x-tideline-timeout-ms", "99999999999", MOST),
    ] {
        let terms = context(&headers(&[(name, value)]), MOST).unwrap();
        assert_eq!(terms.deadline, Instant::now() + expected, "{name}: {value}");
    }
}

#[test]
fn what_is_unknown_is_left_out() {
    let mut written = HeaderMap::new();
    let served = Served::new(Placement::Cloud, ModelName::new("minilm").unwrap());
    write_served(&mut written, &served, None);
    let names: Vec<_> = written.keys().map(HeaderName::as_str).collect();
    let expected = [
        "x-tideline-schema-version",
        "x-tideline-placement",
        "x-tideline-model",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_cost_is_written_without_an_exponent() {
    let mut written = HeaderMap::new();
    let served = Served::new(Placement::Cloud, ModelName::new("minilm").unwrap());
    write_served(&mut written, &served, Some(0.000_000_25));
    assert_eq!(written["x-tideline-cost-usd"], "0.00000025");
}

#[test]
fn an_error_carries_the_decision_that_led_to_it() {
    let mut written = HeaderMap::new();
    let mut explanation = explanation();
    explanation.debug = Some(json!({ "rule": "für alle" }));
    let error = InferenceError::overloaded().with_explanation(explanation);
    write_error(&mut written, &error);
    assert_eq!(
        written["x-tideline-decision-id"],
        "01J00000000000000000000000"
    );
    assert_eq!(written["x-tideline-reason"], "cheapest ? and here");
    assert_eq!(written["x-tideline-policy"], "sha256:abc");
    assert_eq!(written["x-tideline-debug"], r#"{"rule":"f\u00fcr alle"}"#);
    assert_eq!(written["retry-after"], "1");
}

#[test]
fn no_header_outgrows_what_clients_read() {
    let mut written = HeaderMap::new();
    let mut explanation = explanation();
    explanation.reason = "x".repeat(10_000);
    explanation.debug = Some(json!("x".repeat(10_000)));
    write_error(
        &mut written,
        &InferenceError::overloaded().with_explanation(explanation),
    );
    assert_eq!(written["x-tideline-reason"].len(), 512);
    assert!(written["x-tideline-debug"].len() < 100);
}
