//! The protocol over REST, under `/v2`: liveness and metadata; inference is in
//! `rest/infer.rs`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::{EXTENSIONS, find};
use crate::catalog::{ModelCard, TensorSpec};
use crate::error::InferenceError;
use crate::front::Front;
use crate::refusal::{self, Protocol, with_json};

mod call;
mod infer;
mod reply;
mod values;

pub(super) fn router(front: Front) -> Router {
    let v2 = Router::new()
        .route("/", get(server))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/models/{model}", get(model))
        .route("/models/{model}/ready", get(model_ready))
        .route("/models/{model}/infer", post(infer_here))
        .route("/models/{model}/versions/{version}", get(model))
        .route("/models/{model}/versions/{version}/ready", get(model_ready))
        .route("/models/{model}/versions/{version}/infer", post(infer_here))
        .fallback(unknown_address)
        .method_not_allowed_fallback(wrong_method)
        .with_state(front);
    Router::new().nest("/v2", v2)
}

/// The model that an address names, and its version if it names one.
#[derive(Deserialize)]
struct Target {
    model: String,
    #[serde(default)]
    version: String,
}

type TargetPath = Result<Path<Target>, PathRejection>;

fn target(path: TargetPath) -> Result<Target, InferenceError> {
    let target = path.map(|Path(target)| target);
    target.map_err(|rejection| refusal::unreadable_address(&rejection))
}

async fn server(State(front): State<Front>) -> Response {
    #[derive(Serialize)]
    struct Metadata {
        name: &'static str,
        version: &'static str,
        extensions: [&'static str; 1],
    }
    let server = front.catalog.server();
    let metadata = Metadata {
        name: server.name,
        version: server.version,
        extensions: EXTENSIONS,
    };
    with_json(StatusCode::OK, serde_json::to_vec(&metadata))
}

async fn live() -> Response {
    #[derive(Serialize)]
    struct Live {
        live: bool,
    }
    with_json(StatusCode::OK, serde_json::to_vec(&Live { live: true }))
}

async fn ready(State(front): State<Front>) -> Response {
    tell_ready(None, front.catalog.ready())
}

async fn model_ready(State(front): State<Front>, path: TargetPath) -> Response {
    match look_up(&front, path) {
        Ok(card) => tell_ready(Some(card.name.as_str()), card.ready),
        Err(error) => Protocol::OpenInference.refuse(&error),
    }
}

fn tell_ready(name: Option<&str>, ready: bool) -> Response {
    #[derive(Serialize)]
    struct Ready<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        ready: bool,
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    with_json(status, serde_json::to_vec(&Ready { name, ready }))
}

async fn model(State(front): State<Front>, path: TargetPath) -> Response {
    match look_up(&front, path) {
        Ok(card) => with_json(StatusCode::OK, serde_json::to_vec(&Metadata::from(&*card))),
        Err(error) => Protocol::OpenInference.refuse(&error),
    }
}

fn look_up(front: &Front, path: TargetPath) -> Result<Arc<ModelCard>, InferenceError> {
    let target = target(path)?;
    find(front, &target.model, &target.version)
}

async fn infer_here(
    State(front): State<Front>,
    path: TargetPath,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let result = match target(path) {
        Ok(target) => infer::serve(&front, target, &headers, body).await,
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| Protocol::OpenInference.refuse(&error))
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    versions: &'a [String],
    platform: &'a str,
    inputs: Vec<TensorMetadata<'a>>,
    outputs: Vec<TensorMetadata<'a>>,
}

#[derive(Serialize)]
struct TensorMetadata<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [i64],
}

impl<'a> From<&'a ModelCard> for Metadata<'a> {
    fn from(card: &'a ModelCard) -> Self {
        Self {
            name: card.name.as_str(),
            versions: &card.versions,
            platform: &card.platform,
            inputs: card.inputs.iter().map(TensorMetadata::from).collect(),
            outputs: card.outputs.iter().map(TensorMetadata::from).collect(),
        }
    }
}

impl<'a> From<&'a TensorSpec> for TensorMetadata<'a> {
    fn from(spec: &'a TensorSpec) -> Self {
        Self {
            name: &spec.name,
            datatype: spec.datatype.name(),
            shape: &spec.shape,
        }
    }
}

async fn unknown_address(request: Request) -> Response {
    let error = refusal::unknown_address(&request);
    Protocol::OpenInference.refuse(&error)
}

async fn wrong_method(request: Request) -> Response {
    let error = refusal::wrong_method(&request);
    Protocol::OpenInference.refuse(&error)
}
