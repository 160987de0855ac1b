//! `POST /v1/route`: where a request would run and why, without running it.
//!
//! It takes `input` as embeddings do, or `messages` as chats do: the whole of a conversation is looked
//! at, as it would be if it travelled.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{read, respond};
use crate::error::InferenceError;
use crate::front::Front;
use crate::generation::{ChatTask, Message, Role};
use crate::json;
use crate::refusal::with_json;
use crate::request::{
    EmbeddingInput, EmbeddingTask, InferenceRequest, ModelSelector, Task, TaskKind,
};

/// A request that is not run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    model: Option<String>,
    input: Option<Texts>,
    messages: Option<Vec<Said>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// A message of a conversation. What else it says of itself is no text.
#[derive(Deserialize)]
struct Said {
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

pub(super) async fn create(State(front): State<Front>, headers: HeaderMap, body: Body) -> Response {
    respond(serve(&front, &headers, body).await)
}

async fn serve(front: &Front, headers: &HeaderMap, body: Body) -> Result<Response, InferenceError> {
    let limits = &front.limits;
    let (context, body) = read(front, headers, body).await?;
    let call: Call = serde_json::from_slice(&body).map_err(|error| json::malformed(&error))?;
    drop(body);
    let model = call.model.as_deref().unwrap_or(ModelSelector::AUTO);
    let model = ModelSelector::parse(model).ok_or_else(|| {
        let message = "'model' must be 1 to 256 visible ASCII characters";
        InferenceError::invalid(message).with_param("model")
    })?;
    let asks_to_chat = call.messages.is_some() && chats(front, &model);
    let inputs = texts(call.input, call.messages)?;
    if inputs.is_empty() || inputs.len() > limits.max_embedding_inputs {
        let most = limits.max_embedding_inputs;
        let message = format!("give 1 to {most} texts as 'input' or as 'messages'");
        return Err(InferenceError::invalid(message).with_param("input"));
    }
    let task = if asks_to_chat {
        let messages = inputs
            .into_iter()
            .map(|text| Message::new(Role::User, text));
        Task::Chat(Arc::new(ChatTask {
            messages: messages.collect(),
            ..ChatTask::default()
        }))
    } else {
        Task::Embedding(EmbeddingTask {
            inputs: inputs.into_iter().map(EmbeddingInput::Text).collect(),
            dimensions: None,
        })
    };
    let told = front
        .dry_run(InferenceRequest::new(model, task, context))
        .await?;
    Ok(with_json(StatusCode::OK, serde_json::to_vec(&told)))
}

/// Whether a conversation is what the model is for.
fn chats(front: &Front, model: &ModelSelector) -> bool {
    let cards = front.catalog.models();
    let mut named = cards
        .iter()
        .filter(|card| model.name().is_none_or(|name| *name == card.name));
    named.any(|card| matches!(card.task, TaskKind::Chat | TaskKind::Completion))
}

/// Every text, of one of the two forms.
fn texts(input: Option<Texts>, messages: Option<Vec<Said>>) -> Result<Vec<String>, InferenceError> {
    match (input, messages) {
        (Some(Texts::One(text)), None) => Ok(vec![text]),
        (Some(Texts::Many(texts)), None) => Ok(texts),
        (None, Some(messages)) => {
            let contents = messages.into_iter().filter_map(|message| message.content);
            let texts = contents.flat_map(|content| match content {
                Content::Text(text) => vec![text],
                Content::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
            });
            Ok(texts.collect())
        }
        (Some(_), Some(_)) | (None, None) => {
            let message = "give either 'input' or 'messages'";
            Err(InferenceError::invalid(message).with_param("input"))
        }
    }
}
