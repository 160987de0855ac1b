//! Tests of errors in each protocol's form.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Uri};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tonic_types::StatusExt;

use super::{Protocol, status};
use crate::error::{ErrorKind, InferenceError};

async fn body(protocol: Protocol, error: &InferenceError) -> Value {
    let body = protocol.refuse(error).into_body();
    serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
}

#[test]
fn a_protocol_is_known_by_content_type_and_path() {
    let check = |path: &'static str, content_type: Option<&'static str>, expected| {
        let mut headers = HeaderMap::new();
        if let Some(text) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
        }
        let found = Protocol::of(&Uri::from_static(path), &headers);
        assert_eq!(found, expected, "{path} {content_type:?}");
    };
    check("/v1/embeddings", Some("application/json"), Protocol::OpenAi);
    check("/v2", None, Protocol::OpenInference);
    check(
        "/v2/models/m/infer",
        Some("application/json"),
        Protocol::OpenInference,
    );
    check("/v2x", None, Protocol::OpenAi);
    check(
        "/inference.GRPCInferenceService/ModelInfer",
        Some("application/grpc+proto"),
        Protocol::Grpc,
    );
}

#[tokio::test]
async fn openai_gets_its_four_fields() {
    let error = InferenceError::model_not_found("gpt-5");
    let expected = json!({ "error": {
        "message": "the model `gpt-5` does not exist",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }});
    assert_eq!(body(Protocol::OpenAi, &error).await, expected);
}

#[tokio::test]
async fn open_inference_gets_its_one() {
    let error = InferenceError::model_not_found("gpt-5");
    let expected = json!({ "error": "the model `gpt-5` does not exist" });
    assert_eq!(body(Protocol::OpenInference, &error).await, expected);
}

#[test]
fn grpc_gets_a_code_and_details() {
    let status = status(&InferenceError::overloaded());
    assert_eq!(status.code(), tonic::Code::Unavailable);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "overloaded");
    assert!(details.retry_info().is_some());
}

#[tokio::test]
async fn a_missing_token_says_which_scheme_is_wanted() {
    let error = InferenceError::new(ErrorKind::Unauthenticated, "no token");
    let response = Protocol::OpenAi.refuse(&error);
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn what_is_for_the_log_is_told_to_no_caller() {
    let error = InferenceError::internal().with_log("disk full");
    for protocol in [Protocol::OpenAi, Protocol::OpenInference] {
        assert!(
            !body(protocol, &error)
                .await
                .to_string()
                .contains("disk full")
        );
    }
    assert!(!status(&error).message().contains("disk full"));
}
