//! Tests of who may come in.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{HeaderValue, Request};
use serde_json::json;

use super::{Door, Hosts, Peer, Token};
use crate::testing::{Reply, call};

const TOKEN: &str = "0123456789abcdef";

fn door() -> Door {
    Door {
        token: Token::new(TOKEN),
        hosts: Hosts::local("192.0.2.7".parse().unwrap()),
        origins: vec!["http://localhost:3000".to_owned()],
        open_paths: vec!["/healthz"],
    }
}

/// A request that may come in.
fn good(path: &str) -> Request<Body> {
    let request = Request::post(path)
        .header("host", "localhost:7071")
        .header("authorization", format!("Bearer {TOKEN}"));
    request.body(Body::empty()).unwrap()
}

fn with(header: &'static str, value: &'static str) -> Request<Body> {
    let mut request = good("/v1/x");
    let value = HeaderValue::from_static(value);
    request.headers_mut().insert(header, value);
    request
}

fn without(path: &str, header: &str) -> Request<Body> {
    let mut request = good(path);
    request.headers_mut().remove(header);
    request
}

async fn knock(request: Request<Body>) -> Reply {
    let app = Router::new().fallback(any(async || "in"));
    call(door().guard(app), request).await
}

async fn check(request: Request<Body>, status: u16) {
    let shown = format!("{:?} {:?}", request.uri(), request.headers());
    assert_eq!(knock(request).await.status, status, "{shown}");
}

#[tokio::test]
async fn a_caller_with_the_token_comes_in() {
    check(good("/v1/x"), 200).await;
    check(with("authorization", "bearer 0123456789abcdef"), 200).await;
}

#[tokio::test]
async fn no_token_or_another_is_refused() {
    check(without("/v1/x", "authorization"), 401).await;
    check(with("authorization", "Bearer 0123456789abcdeX"), 401).await;
    check(with("authorization", "Bearer 0123456789abcdef0"), 401).await;
    check(with("authorization", "Bearer "), 401).await;
    check(with("authorization", "Basic 0123456789abcdef"), 401).await;
    check(with("authorization", "0123456789abcdef"), 401).await;
}

#[tokio::test]
async fn open_paths_need_no_token_but_the_right_host() {
    check(without("/healthz", "authorization"), 200).await;
    check(without("/healthz/x", "authorization"), 401).await;
    let mut request = without("/healthz", "authorization");
    let host = HeaderValue::from_static("evil.example");
    request.headers_mut().insert("host", host);
    check(request, 403).await;
}

#[tokio::test]
async fn only_local_names_and_the_listener_s_address_are_answered() {
    for host in [
        "127.0.0.1:7071",
        "LOCALHOST",
        "[::1]:7071",
        "127.8.8.8",
        "192.0.2.7:1",
    ] {
        check(with("host", host), 200).await;
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "192.0.2.8",
        "",
        "a b",
        "[::2]",
    ] {
        check(with("host", host), 403).await;
    }
    check(without("/v1/x", "host"), 403).await;
}

#[tokio::test]
async fn over_http_2_the_authority_is_the_host() {
    let mut request = without("http://localhost:7071/v1/x", "host");
    check(request, 200).await;
    request = without("http://evil.example/v1/x", "host");
    check(request, 403).await;
}

#[tokio::test]
async fn a_foreign_origin_is_refused_whatever_else_is_right() {
    check(with("origin", "http://localhost:3000"), 200).await;
    check(with("origin", "http://evil.example"), 403).await;
    check(with("origin", "null"), 403).await;
    let mut two = with("origin", "http://localhost:3000");
    let second = HeaderValue::from_static("http://evil.example");
    two.headers_mut().append("origin", second);
    check(two, 403).await;
}

#[tokio::test]
async fn a_socket_file_s_own_permissions_are_enough() {
    let mut request = without("/v1/x", "authorization");
    request.headers_mut().remove("host");
    request.extensions_mut().insert(Peer::Unix);
    check(request, 200).await;
}

#[tokio::test]
async fn each_protocol_hears_it_in_its_own_form() {
    let openai = knock(without("/v1/x", "authorization")).await;
    assert_eq!(openai.json()["error"]["code"], "invalid_api_key");
    let message = "no token was shown: send `Authorization: Bearer <token>`";
    let open_inference = knock(without("/v2/x", "authorization")).await;
    assert_eq!(open_inference.json(), json!({ "error": message }));
    let mut request = without(
        "/inference.GRPCInferenceService/ModelInfer",
        "authorization",
    );
    let grpc = HeaderValue::from_static("application/grpc");
    request.headers_mut().insert("content-type", grpc);
    let grpc = knock(request).await;
    assert_eq!(grpc.status, 200);
    assert_eq!(grpc.header("grpc-status"), Some("16"));
}

#[test]
fn a_token_is_never_shown() {
    let shown = format!("{:?}", door());
    assert!(!shown.contains(TOKEN));
}

#[test]
fn a_short_or_odd_token_is_none() {
    assert!(Token::new("short").is_none());
    assert!(Token::new("0123456789abcdef\n").is_none());
}
