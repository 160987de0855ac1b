//! What this gateway answers, over gRPC for agents and operators and over HTTP for thin clients.
//!
//! It holds no logic of its own. Its invariant: but for health, nothing is answered without a token,
//! and each service asks for its own.

mod service;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use inference_api::{Door, Front, Hosts, Token};

pub(crate) use self::service::{Services, grpc};
use crate::telemetry::Metrics;

/// Paths that tell nothing worth a token: whether the gateway lives and is ready.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Everything over HTTP, behind the door. By the time it is reachable it is ready.
pub(crate) fn http(front: Front, metrics: Metrics, token: Token) -> Router {
    let pages = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async || "ready\n"))
        .route("/metrics", get(render))
        .with_state(metrics);
    let app = pages
        .merge(inference_api::openai::router(front.clone()))
        .merge(inference_api::oip::rest(front))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here\n"));
    let door = Door {
        token: Some(token),
        hosts: Hosts::Any,
        origins: Vec::new(),
        open_paths: OPEN_PATHS.to_vec(),
    };
    door.guard(app)
}

async fn render(State(metrics): State<Metrics>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics.render(),
    )
        .into_response()
}
