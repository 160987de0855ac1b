//! OpenAI's HTTP API under `/v1`: chats, completions, responses, embeddings and the list of models; beside them
//! `/v1/route`, which tells where a request would run.
//!
//! Every answer, also one about an unknown address or method, has OpenAI's
//! shapes. What would change the result and is not done here is refused by
//! name; what changes nothing is let pass.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{any, get, post};
use bytes::Bytes;
use http::HeaderMap;

use crate::context::Context;
use crate::error::InferenceError;
use crate::front::Front;
use crate::headers;
use crate::refusal::{self, Protocol};

mod chat;
mod completions;
mod embeddings;
mod events;
mod models;
mod parameters;
mod responses;
mod route;

/// The routes of `/v1`, to be merged into a program's own.
pub fn router(front: Front) -> Router {
    // Whole addresses, not a nested router: that takes each one apart and makes it anew.
    Router::new()
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/completions", post(completions::create))
        .route("/v1/responses", post(responses::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/route", post(route::create))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .method_not_allowed_fallback(wrong_method)
        .route("/v1", any(unknown_address))
        .route("/v1/", any(unknown_address))
        .route("/v1/{*unknown}", any(unknown_address))
        .with_state(front)
}

/// The terms of a call, and its body.
async fn read(
    front: &Front,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Context, Bytes), InferenceError> {
    let limits = &front.limits;
    let context = headers::context(headers, limits.request_timeout)?;
    let body = crate::body::read(headers, body, limits.max_body_bytes, limits.body_timeout);
    Ok((context, body.await?))
}

/// The answer to a request, whether it went well or not.
fn respond(result: Result<Response, InferenceError>) -> Response {
    result.unwrap_or_else(|error| Protocol::OpenAi.refuse(&error))
}

async fn unknown_address(request: Request) -> Response {
    respond(Err(refusal::unknown_address(&request)))
}

async fn wrong_method(request: Request) -> Response {
    respond(Err(refusal::wrong_method(&request)))
}

#[cfg(test)]
mod tests;
