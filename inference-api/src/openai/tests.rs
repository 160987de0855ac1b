//! Tests of OpenAI's API as its clients see it.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde_json::{Value, json};

use super::router;
use crate::limits::Limits;
use crate::testing::{Reply, call, front, front_with, get, post};

async fn embed(body: Value) -> Reply {
    call(router(front()), post("/v1/embeddings", body.to_string())).await
}

async fn check_refused(request: Request<Body>, status: u16, code: &str) -> Reply {
    let reply = call(router(front()), request).await;
    assert_eq!(reply.status, status);
    assert_eq!(reply.json()["error"]["code"], code);
    assert!(reply.json()["error"]["message"].is_string());
    reply
}

#[tokio::test]
async fn an_embedding_has_openais_shape() {
    let reply = embed(json!({ "model": "minilm", "input": ["four", "to"] })).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let expected = json!({
        "object": "list",
        "data": [
            { "object": "embedding", "index": 0, "embedding": [4.0, 0.5, -1.0, 0.25] },
            { "object": "embedding", "index": 1, "embedding": [2.0, 0.5, -1.0, 0.25] },
        ],
        "model": "minilm",
        "usage": { "prompt_tokens": 7, "total_tokens": 7 },
    });
    assert_eq!(reply.json(), expected);
}

#[tokio::test]
async fn base64_holds_the_same_floats() {
    let body = json!({ "model": "minilm", "input": "four", "encoding_format": "base64" });
    let reply = embed(body).await.json();
    let bytes = STANDARD.decode(reply["data"][0]["embedding"].as_str().unwrap());
    let (floats, rest) = bytes.as_ref().unwrap().as_chunks();
    let floats: Vec<_> = floats
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    assert_eq!((floats, rest.len()), (vec![4.0, 0.5, -1.0, 0.25], 0));
}

#[tokio::test]
async fn the_headers_say_where_it_ran() {
    let reply = embed(json!({ "model": "auto", "input": "four" })).await;
    assert_eq!(reply.header("x-tideline-schema-version"), Some("1"));
    assert_eq!(reply.header("x-tideline-placement"), Some("device"));
    assert_eq!(reply.header("x-tideline-model"), Some("minilm"));
    assert_eq!(
        reply.header("x-tideline-provider"),
        Some("CPUExecutionProvider")
    );
    assert_eq!(
        reply.header("x-tideline-reason"),
        Some("cheapest ? and here")
    );
    assert_eq!(reply.header("x-tideline-cost-usd"), None);
    assert_eq!(reply.json()["model"], "minilm");
}

#[tokio::test]
async fn vectors_are_shortened_only_where_the_model_was_trained_for_it() {
    let body = |model| json!({ "model": model, "input": "four", "dimensions": 2 });
    let reply = embed(body("matryoshka")).await.json();
    let vector = reply["data"][0]["embedding"].as_array().unwrap();
    let squares: f64 = vector.iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert_eq!(vector.len(), 2);
    assert!((squares - 1.0).abs() < 1e-6);
    for model in ["minilm", "auto"] {
        let refused = embed(body(model)).await;
        assert_eq!(refused.status, 400);
        assert_eq!(refused.json()["error"]["param"], "dimensions");
    }
    let own = embed(json!({ "model": "minilm", "input": "four", "dimensions": 4 })).await;
    assert_eq!(own.status, 200);
}

#[tokio::test]
async fn the_service_s_errors_have_openais_shape_and_their_decision() {
    let body = json!({ "model": "denied", "input": "secret" }).to_string();
    let reply = check_refused(post("/v1/embeddings", body), 403, "policy_denied").await;
    let decision = reply.header("x-tideline-decision-id");
    assert_eq!(decision, Some("01J00000000000000000000000"));
    let body = json!({ "model": "missing", "input": "secret" }).to_string();
    check_refused(post("/v1/embeddings", body), 404, "model_not_found").await;
}

#[tokio::test]
async fn models_are_listed_and_found() {
    let list = call(router(front()), get("/v1/models")).await.json();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"].as_array().unwrap().len(), 4);
    let one = call(router(front()), get("/v1/models/minilm")).await.json();
    let expected = json!({
        "id": "minilm", "object": "model", "created": 1_700_000_000, "owned_by": "acme",
    });
    assert_eq!(one, expected);
    check_refused(get("/v1/models/acme/other"), 404, "model_not_found").await;
}

#[tokio::test]
async fn unknown_addresses_and_methods_have_openais_shape() {
    let reply = check_refused(get("/v1/nothing"), 404, "unknown_url").await;
    let message = "there is nothing at GET /v1/nothing";
    assert_eq!(reply.json()["error"]["message"], message);
    check_refused(get("/v1/embeddings"), 405, "method_not_allowed").await;
    check_refused(post("/v1/models", ""), 405, "method_not_allowed").await;
}

#[tokio::test]
async fn a_path_that_is_not_utf_8_is_refused() {
    check_refused(get("/v1/models/%ff"), 400, "invalid_request").await;
}

#[tokio::test]
async fn bodies_over_the_bound_are_refused() {
    let body = "x".repeat(8 * 1024 * 1024 + 1);
    check_refused(post("/v1/embeddings", body), 413, "request_too_large").await;
}

#[tokio::test]
async fn ten_thousand_texts_are_refused() {
    let body = json!({ "model": "minilm", "input": vec!["a"; 10_000] }).to_string();
    let reply = check_refused(post("/v1/embeddings", body), 400, "invalid_request").await;
    let message = reply.json()["error"]["message"].to_string();
    assert!(message.contains("maximum length 2048"), "{message}");
}

#[tokio::test]
async fn a_mode_that_is_not_one_is_refused() {
    let mut request = post("/v1/embeddings", r#"{"model":"minilm","input":"a"}"#);
    let mode = "everywhere".parse().unwrap();
    request.headers_mut().insert("x-tideline-mode", mode);
    let reply = check_refused(request, 400, "invalid_request").await;
    assert_eq!(reply.json()["error"]["param"], "x-tideline-mode");
}

#[tokio::test]
async fn limits_are_the_front_s() {
    let limits = Limits {
        max_embedding_inputs: 1,
        ..Limits::default()
    };
    let body = r#"{"model":"minilm","input":["a","b"]}"#;
    let reply = call(router(front_with(limits)), post("/v1/embeddings", body)).await;
    assert_eq!(reply.status, 400);
}
