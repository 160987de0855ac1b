//! The local API: OpenAI's and the Open Inference Protocol over HTTP, the latter over gRPC too,
//! health and metrics, all behind one door.
//!
//! It holds no logic of its own: routers, door and server are `inference-api`'s. Its invariant: over
//! TCP nothing but health is answered without the token.

mod service;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use inference_api::{Door, Front, Hosts, Token};

use crate::readiness::Readiness;
use crate::spool::Spool;
use crate::telemetry::Metrics;

pub(crate) use self::service::grpc;

/// Paths that tell nothing worth a token: whether the agent lives and is ready.
const OPEN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/grpc.health.v1.Health/Check"];

/// What the pages beside the two protocols tell of.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
    pub(crate) spool: Arc<Spool>,
}

/// The door of a listener at `address`.
pub(crate) fn door(address: IpAddr, token: Token, origins: &[String]) -> Door {
    Door {
        token: Some(token),
        hosts: Hosts::local(address),
        origins: origins.to_vec(),
        open_paths: OPEN_PATHS.to_vec(),
    }
}

/// Everything over HTTP.
pub(crate) fn http(front: Front, status: Status) -> Router {
    let pages = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(status);
    pages
        .merge(inference_api::openai::router(front.clone()))
        .merge(inference_api::oip::rest(front))
}

async fn ready(State(status): State<Status>) -> Response {
    let waits_for = status.readiness.waits_for();
    if waits_for.is_empty() {
        return "ready\n".into_response();
    }
    let text = format!("waiting for: {}\n", waits_for.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn metrics(State(status): State<Status>) -> Response {
    let mut response = status
        .metrics
        .render(status.spool.figures())
        .into_response();
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
