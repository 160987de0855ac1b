//! The Open Inference Protocol, version 2, over gRPC and REST: liveness,
//! metadata, and inference on tensors.
//!
//! Raw contents become tensors without being copied. What would change the
//! result and is not done here (shared memory, classification, sequences) is
//! refused by name.

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;

use crate::catalog::ModelCard;
use crate::error::{ErrorKind, InferenceError, shown};
use crate::front::Front;
use crate::request::{ModelName, ModelSelector};
use crate::stream::Output;
use crate::tensor::{DataType, Tensor};

pub mod client;
mod contents;
mod grpc;
mod parameters;
mod rest;

pub use grpc::GrpcServer;

/// Extensions of the protocol that the server tells of.
const EXTENSIONS: [&str; 1] = ["binary_tensor_data"];

/// The routes of `/v2`, to be merged into a program's own.
pub fn rest(front: Front) -> Router {
    rest::router(front)
}

/// The gRPC service, to be added to a program's `tonic::service::Routes`.
#[must_use]
pub fn grpc(front: Front) -> GrpcServer {
    GrpcServer::new(front)
}

/// The model of that name and, unless `version` is empty, that version.
fn find(front: &Front, name: &str, version: &str) -> Result<Arc<ModelCard>, InferenceError> {
    let card = front.catalog.model(name);
    let card = card.ok_or_else(|| InferenceError::model_not_found(name))?;
    if version.is_empty() || card.versions.iter().any(|known| known == version) {
        return Ok(card);
    }
    let (version, known) = (shown(version), card.versions.join(", "));
    let message = format!("the model `{name}` has no version `{version}`; it has: {known}");
    Err(InferenceError::new(ErrorKind::ModelNotFound, message).with_param("model_version"))
}

/// What an infer call names as its model. Whether there is such a model is the
/// service's to say; versions are only known to the catalogue.
fn select(front: &Front, name: &str, version: &str) -> Result<ModelSelector, InferenceError> {
    if !version.is_empty() {
        find(front, name, version)?;
    }
    ModelSelector::parse(name).ok_or_else(|| {
        let message = "the model's name must be 1 to 256 visible ASCII characters";
        InferenceError::invalid(message).with_param("model_name")
    })
}

/// The version that an answer tells of: the one asked for, or the newest.
fn version_of(front: &Front, served: &ModelName, asked: String) -> String {
    if !asked.is_empty() {
        return asked;
    }
    let card = front.catalog.model(served.as_str());
    let newest = card.and_then(|card| card.versions.last().cloned());
    newest.unwrap_or_default()
}

/// Refuses more tensors than the front takes.
fn check_count(front: &Front, what: &'static str, count: usize) -> Result<(), InferenceError> {
    let most = front.limits.max_tensors;
    if count <= most {
        return Ok(());
    }
    let message = format!("{count} {what}, at most {most} are taken");
    Err(InferenceError::invalid(message).with_param(what))
}

/// The type of that name.
fn datatype(input: &str, name: &str) -> Result<DataType, InferenceError> {
    DataType::parse(name).ok_or_else(|| {
        let known = DataType::ALL.map(DataType::name).join(", ");
        about(
            input,
            &format!("has an unknown datatype, known are {known}"),
        )
    })
}

/// An input as a tensor.
fn tensor(
    name: String,
    datatype: DataType,
    shape: Vec<i64>,
    data: Bytes,
) -> Result<Tensor, InferenceError> {
    Tensor::new(name.as_str(), datatype, shape, data)
        .map_err(|problem| about(&name, &problem.to_string()))
}

/// What is wrong with an input.
fn about(input: &str, problem: &str) -> InferenceError {
    let input = shown(input);
    InferenceError::invalid(format!("input `{input}`: {problem}")).with_param("inputs")
}

/// The tensors of an answer.
fn tensors_of(output: &Output) -> Result<&[Tensor], InferenceError> {
    match output {
        Output::Tensors(tensors) => Ok(tensors),
        Output::Embeddings(_) | Output::Generated(_) => {
            Err(InferenceError::internal().with_log("tensors were answered with something else"))
        }
    }
}

#[cfg(test)]
mod tests;
