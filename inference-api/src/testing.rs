//! What the tests here share: a service that answers by the model's name, its
//! catalogue, and a way to call a router without a socket.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::{ServiceExt, service_fn};

use crate::catalog::{Catalog, EmbeddingShape, ModelCard, ServerInfo, TensorSpec};
use crate::error::{ErrorKind, InferenceError};
use crate::front::Front;
use crate::generation::{Delta, FinishReason, GeneratedToken, Prompt, ToolCall, ToolCallDelta};
use crate::limits::Limits;
use crate::request::{EmbeddingInput, InferenceRequest, ModelName, Task, TaskKind};
use crate::stream::{Event, Explanation, InferenceStream, Output, Placement, Served, Usage};
use crate::tensor::DataType;

/// A front over [`answer`].
pub(crate) fn front() -> Front {
    front_with(Limits::default())
}

/// The same with limits.
pub(crate) fn front_with(limits: Limits) -> Front {
    Front::new(service_fn(answer), Arc::new(Models), limits)
}

/// Answers at once: a text by its length and a token list by its sum, each as
/// a vector of four; tensors by themselves. Some names of models do otherwise.
pub(crate) async fn answer(request: InferenceRequest) -> Result<InferenceStream, InferenceError> {
    let name = request.model.name().map_or("minilm", ModelName::as_str);
    match name {
        "missing" => return Err(InferenceError::model_not_found(name)),
        "denied" => {
            let error = InferenceError::new(ErrorKind::PolicyDenied, "the policy keeps it here");
            return Err(error.with_explanation(explanation()));
        }
        "panics" => panic!("as asked"),
        "never" => return std::future::pending().await,
        _ => {}
    }
    let mut served = Served::new(Placement::Device, ModelName::new(name).unwrap());
    served.provider = Some("CPUExecutionProvider".to_owned());
    served.explanation = Some(explanation());
    let output = match request.task {
        Task::Embedding(task) => Output::Embeddings(task.inputs.iter().map(vector).collect()),
        Task::Infer(task) => {
            let wanted =
                |name: &str| task.outputs.is_empty() || task.outputs.iter().any(|o| o == name);
            let inputs = task.inputs.into_iter();
            Output::Tensors(inputs.filter(|tensor| wanted(tensor.name())).collect())
        }
        Task::Chat(task) => {
            let said = task.messages.last().map_or("", |message| &message.content);
            let choices = task.sampling.answers();
            return Ok(echo(served, said, choices));
        }
        Task::Completion(task) => {
            let Prompt::Text(said) = &task.prompt else {
                return Err(InferenceError::invalid("text is echoed alone"));
            };
            return Ok(echo(served, said, 1));
        }
    };
    let usage = Usage {
        prompt_tokens: 7,
        ..Usage::default()
    };
    Ok(InferenceStream::once(Arc::new(served), output, usage))
}

/// Says the words again, one by one, in each answer; a model called `breaks` fails after two, and one
/// called `calls` calls a tool instead.
fn echo(served: Served, said: &str, choices: u8) -> InferenceStream {
    let name = served.model.as_str().to_owned();
    let mut events = Vec::new();
    for choice in 0..choices {
        if name == "calls" {
            for (id, arguments) in [("call_1", "{\"a\":"), ("", "1}")] {
                let call = ToolCall {
                    id: id.to_owned(),
                    name: if id.is_empty() { "" } else { "add" }.to_owned(),
                    arguments: arguments.to_owned(),
                };
                events.push(Ok(Event::ToolCall(ToolCallDelta {
                    choice,
                    index: 0,
                    call,
                })));
            }
            events.push(Ok(Event::Finished(choice, FinishReason::ToolCalls)));
            continue;
        }
        for (index, word) in said.split_inclusive(' ').enumerate() {
            if name == "breaks" && index == 2 {
                let error = InferenceError::new(ErrorKind::Unavailable, "the model broke");
                events.push(Err(error));
            }
            let token = GeneratedToken {
                id: Some(1),
                logprob: -0.5,
                bytes: word.as_bytes().to_vec(),
                alternatives: vec![(b"other".to_vec(), -1.5)],
            };
            events.push(Ok(Event::Delta(Delta {
                choice,
                text: word.to_owned(),
                tokens: vec![token],
            })));
        }
        events.push(Ok(Event::Finished(choice, FinishReason::Stop)));
    }
    let usage = Usage {
        prompt_tokens: 7,
        cached_tokens: 2,
        completion_tokens: 5,
        ..Usage::default()
    };
    events.push(Ok(Event::Usage(usage)));
    InferenceStream::flowing(Arc::new(served), futures::stream::iter(events))
}

fn vector(input: &EmbeddingInput) -> Vec<f32> {
    let first = match input {
        EmbeddingInput::Text(text) => u16::try_from(text.len()).unwrap(),
        EmbeddingInput::Tokens(ids) => u16::try_from(ids.iter().sum::<u32>()).unwrap(),
    };
    vec![first.into(), 0.5, -1.0, 0.25]
}

/// The decision behind every answer.
pub(crate) fn explanation() -> Explanation {
    Explanation {
        decision_id: "01J00000000000000000000000".to_owned(),
        reason: "cheapest – and here".to_owned(),
        policy: Some("sha256:abc".to_owned()),
        debug: None,
    }
}

/// `minilm` cannot shorten its vectors, `matryoshka` can; `identity` gives
/// back its tensors; `loading` is not ready.
#[derive(Debug)]
pub(crate) struct Models;

impl Catalog for Models {
    fn server(&self) -> ServerInfo {
        ServerInfo {
            name: "tideline-test",
            version: "1.2.3",
        }
    }

    fn ready(&self) -> bool {
        true
    }

    fn models(&self) -> Vec<Arc<ModelCard>> {
        let names = ["identity", "loading", "matryoshka", "minilm"];
        names.iter().map(|name| Arc::new(card(name))).collect()
    }

    fn model(&self, name: &str) -> Option<Arc<ModelCard>> {
        let mut models = self.models().into_iter();
        models.find(|card| card.name.as_str() == name)
    }
}

fn card(name: &str) -> ModelCard {
    let task = match name {
        "identity" => TaskKind::Infer,
        _ => TaskKind::Embedding,
    };
    let spec = TensorSpec {
        name: "x".to_owned(),
        datatype: DataType::Fp32,
        shape: vec![-1, 4],
    };
    ModelCard {
        name: ModelName::new(name).unwrap(),
        task,
        ready: name != "loading",
        versions: vec!["1".to_owned(), "2".to_owned()],
        platform: "onnxruntime_onnx".to_owned(),
        created_unix_seconds: 1_700_000_000,
        owner: "acme".to_owned(),
        inputs: vec![spec.clone()],
        outputs: vec![spec],
        embedding: Some(EmbeddingShape {
            dimensions: NonZeroU32::new(4).unwrap(),
            can_be_shortened: name == "matryoshka",
        }),
    }
}

/// An answer, read to its end.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Calls `app` without a socket.
pub(crate) async fn call(app: Router, request: Request<Body>) -> Reply {
    let response = app.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// A request to post `body`.
pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).body(body.into()).unwrap()
}

/// A request to get `path`.
pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}
