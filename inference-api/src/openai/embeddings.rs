//! `POST /v1/embeddings`.

use std::num::NonZeroU32;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use self::reply::Encoding;
use super::{read, respond};
use crate::catalog::EmbeddingShape;
use crate::error::{ErrorKind, InferenceError};
use crate::front::Front;
use crate::headers;
use crate::refusal::with_json;
use crate::request::{EmbeddingTask, InferenceRequest, Task};
use crate::stream::{Answer, Output};

mod call;
mod input;
mod reply;

pub(super) async fn create(State(front): State<Front>, headers: HeaderMap, body: Body) -> Response {
    respond(serve(&front, &headers, body).await)
}

async fn serve(front: &Front, headers: &HeaderMap, body: Body) -> Result<Response, InferenceError> {
    let limits = &front.limits;
    let (mut context, body) = read(front, headers, body).await?;
    let call = call::parse(&body, limits.max_embedding_inputs)?;
    drop(body);
    context.caller.user = call.user;
    if let (Some(wanted), Some(name)) = (call.dimensions, call.model.name()) {
        check_dimensions(front, name.as_str(), wanted)?;
    }
    let (count, dimensions) = (call.inputs.len(), call.dimensions);
    let task = Task::Embedding(EmbeddingTask {
        inputs: call.inputs,
        dimensions,
    });
    let request = InferenceRequest::new(call.model, task, context);
    let answer = front.answer(request).await?;
    reply(front, &answer, count, dimensions, call.encoding)
}

fn reply(
    front: &Front,
    answer: &Answer,
    count: usize,
    dimensions: Option<NonZeroU32>,
    encoding: Encoding,
) -> Result<Response, InferenceError> {
    let vectors = match &answer.output {
        Output::Embeddings(vectors) if vectors.len() == count => vectors,
        Output::Embeddings(_) | Output::Tensors(_) | Output::Generated(_) => {
            let log = "an embedding was answered with something else";
            return Err(InferenceError::internal().with_log(log));
        }
    };
    let model = &answer.served.model;
    let body = match dimensions {
        Some(wanted) if !all_have_length(vectors, wanted) => {
            check_dimensions(front, model.as_str(), wanted)?;
            let vectors = shorten(vectors, wanted)?;
            reply::write(&vectors, encoding, model, answer.usage)
        }
        Some(_) | None => reply::write(vectors, encoding, model, answer.usage),
    };
    let mut response = with_json(StatusCode::OK, body);
    headers::write_answer(response.headers_mut(), answer);
    Ok(response)
}

/// Refuses a length that the model was not trained for: the start of its
/// vectors would pass for a vector and be a bad one.
fn check_dimensions(front: &Front, model: &str, wanted: NonZeroU32) -> Result<(), InferenceError> {
    let card = front.catalog.model(model);
    let Some(shape) = card.and_then(|card| card.embedding) else {
        return Ok(());
    };
    let EmbeddingShape {
        dimensions,
        can_be_shortened,
    } = shape;
    if wanted == dimensions || (can_be_shortened && wanted < dimensions) {
        return Ok(());
    }
    let message = if can_be_shortened {
        format!("`{model}` makes vectors of at most {dimensions} dimensions")
    } else {
        format!("`{model}` makes vectors of {dimensions} dimensions and no others")
    };
    Err(InferenceError::new(ErrorKind::Unsupported, message).with_param("dimensions"))
}

fn all_have_length(vectors: &[Vec<f32>], wanted: NonZeroU32) -> bool {
    let wanted = usize::try_from(wanted.get());
    wanted.is_ok_and(|wanted| vectors.iter().all(|vector| vector.len() == wanted))
}

/// The start of each vector, scaled back to length one.
fn shorten(vectors: &[Vec<f32>], wanted: NonZeroU32) -> Result<Vec<Vec<f32>>, InferenceError> {
    let shorten = |vector: &Vec<f32>| {
        let length = usize::try_from(wanted.get()).ok()?;
        let start = vector.get(..length)?;
        let norm = start.iter().map(|x| x * x).sum::<f32>().sqrt();
        Some(
            start
                .iter()
                .map(|x| x / norm.max(f32::MIN_POSITIVE))
                .collect(),
        )
    };
    let shortened: Option<_> = vectors.iter().map(shorten).collect();
    shortened.ok_or_else(|| {
        let message = "the model makes shorter vectors than were asked for";
        InferenceError::new(ErrorKind::Unsupported, message).with_param("dimensions")
    })
}
