//! Services that speak OpenAI's HTTP API: vLLM, OpenAI itself, Ollama, and many more.
//!
//! Invariant: nothing that such a service sends is believed before it is bounded and read as what it
//! must be, and neither its words nor the key stand in a log.

mod decode;
mod encode;
mod failure;
mod sse;

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use inference_api::{InferenceRequest, ModelCard, Task, TaskKind};
use router_policy::Probability;

use self::decode::{Asked, Chunks};
use self::sse::Events;
use super::Offer;
use super::http::{Client, client};
use super::upstream::{Failure, Handle, Reply, Speaker, Target, Upstream};
use crate::config::{
    ChatContinuation, MaxTokensParameter, UpstreamConfig, UpstreamModel, UpstreamTask,
};

/// Its name among the kinds of backend.
const KIND: &str = "openai";
/// Largest answer that is not streamed, and largest answer of an error, in bytes.
const MAX_BODY: usize = 64 << 20;
const MAX_ERROR: usize = 64 << 10;
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tideline-gateway/", env!("CARGO_PKG_VERSION")));

/// Everything that the service serves.
pub(super) fn open(config: &UpstreamConfig) -> anyhow::Result<Vec<Offer>> {
    let key = config.read_key()?;
    let authorization = key
        .map(|key| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        })
        .transpose()?;
    let base = |url: &String| Base::new(url);
    let speaker = OpenAi {
        client: client(config)?,
        bases: config.urls.iter().map(base).collect::<Result<_, _>>()?,
        authorization,
        max_tokens: config.max_tokens_parameter,
        continuation: config.continuation,
    };
    let upstream = Upstream::open(config, Arc::new(speaker));
    let offer = |model| offer(model, &upstream);
    Ok(config.models.iter().filter_map(offer).collect())
}

fn offer(model: &UpstreamModel, upstream: &Arc<Upstream>) -> Option<Offer> {
    let site = upstream.site();
    let target = Target::new(model)?;
    let tasks: &[UpstreamTask] = if model.tasks.is_empty() {
        &[UpstreamTask::Chat]
    } else {
        &model.tasks
    };
    let card = |task: &UpstreamTask| {
        let task = match task {
            UpstreamTask::Chat => TaskKind::Chat,
            UpstreamTask::Completion => TaskKind::Completion,
            UpstreamTask::Embedding => TaskKind::Embedding,
            // OpenAI's API takes no tensors.
            UpstreamTask::Infer => return None,
        };
        Some(Arc::new(ModelCard {
            platform: KIND.into(),
            owner: site.name.clone(),
            ..ModelCard::new(target.name().clone(), task)
        }))
    };
    let cards: Vec<_> = tasks.iter().filter_map(card).collect();
    (!cards.is_empty()).then(|| Offer {
        kind: KIND,
        site: site.clone(),
        variant: target.variant().clone(),
        provider: site.name.as_str().into(),
        cards,
        price: model.price(),
        p_error: Probability::new(model.error_probability),
        counter: None,
        backend: Arc::new(Handle {
            upstream: upstream.clone(),
            target: Arc::new(target),
        }),
    })
}

/// The addresses of one server.
#[derive(Debug)]
struct Base {
    chat: Uri,
    completions: Uri,
    embeddings: Uri,
    models: Uri,
}

impl Base {
    fn new(url: &str) -> Result<Self, http::uri::InvalidUri> {
        let base = url.trim_end_matches('/');
        let at = |path: &str| format!("{base}/{path}").parse();
        Ok(Self {
            chat: at("chat/completions")?,
            completions: at("completions")?,
            embeddings: at("embeddings")?,
            models: at("models")?,
        })
    }

    fn of(&self, task: &Task) -> Option<&Uri> {
        match task {
            Task::Chat(_) => Some(&self.chat),
            Task::Completion(_) => Some(&self.completions),
            Task::Embedding(_) => Some(&self.embeddings),
            Task::Infer(_) => None,
        }
    }
}

/// The speaker of OpenAI's HTTP API.
#[derive(Debug)]
struct OpenAi {
    client: Client,
    bases: Vec<Base>,
    authorization: Option<HeaderValue>,
    max_tokens: MaxTokensParameter,
    continuation: ChatContinuation,
}

/// Fails at once.
fn unsupported<T>(message: &'static str) -> BoxFuture<'static, Result<T, Failure>> {
    Box::pin(async move { Err(Failure::unsupported(message)) })
}

impl OpenAi {
    fn request(&self, method: Method, uri: &Uri, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }
}

impl Speaker for OpenAi {
    fn ask(
        &self,
        address: usize,
        request: InferenceRequest,
        model: Arc<str>,
    ) -> BoxFuture<'static, Result<Reply, Failure>> {
        let streams = match &request.task {
            Task::Chat(_) | Task::Completion(_) => !request.context.wants_whole,
            Task::Embedding(_) | Task::Infer(_) => false,
        };
        let asked = Asked::of(&request.task);
        let uri = self
            .bases
            .get(address)
            .and_then(|base| base.of(&request.task));
        let (Some(uri), Some(asked)) = (uri, asked) else {
            return unsupported("the upstream does not do this task");
        };
        let continued = request.continued.as_deref();
        let terms = encode::Terms {
            model: &model,
            streams,
            max_tokens: self.max_tokens,
            continued: continued.map(|continued| (&*continued.text, self.continuation)),
        };
        let Ok(body) = encode::body(&request.task, &terms) else {
            return unsupported("the upstream cannot go on with an answer");
        };
        let sent = self
            .client
            .request(self.request(Method::POST, uri, body.into()));
        Box::pin(async move {
            let response = sent.await.map_err(|error| failure::of_transport(&error))?;
            let response = accepted(response).await?;
            if streams && is_event_stream(&response) {
                return flowing(response, asked).await;
            }
            let body = collect(response, MAX_BODY).await?;
            decode::whole(&body, asked)
        })
    }

    fn look(&self, address: usize) -> BoxFuture<'static, Result<(), String>> {
        let Some(base) = self.bases.get(address) else {
            return Box::pin(async { Err("there is no such address".into()) });
        };
        let looked = self
            .client
            .request(self.request(Method::GET, &base.models, Bytes::new()));
        Box::pin(async move {
            let response = looked.await.map_err(|error| failure::transport(&error))?;
            let status = response.status();
            // Read to its end, so that the connection can be used again.
            collect(response, MAX_BODY).await.ok();
            match status.as_u16() {
                // Services that do not list their models are still there.
                200..=299 | 404 | 405 => Ok(()),
                401 | 403 => Err("it does not accept the key".into()),
                other => Err(format!("it answered with status {other}")),
            }
        })
    }
}

/// The response, if it is one; else what its status and body say.
async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    if response.status().is_success() {
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ERROR).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    Err(failure::of_status(&head, &body))
}

fn is_event_stream(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

async fn collect(response: Response<Incoming>, most: usize) -> Result<Bytes, Failure> {
    let body = Limited::new(response.into_body(), most).collect().await;
    let body = body.map_err(|error| failure::of_body(error.as_ref()))?;
    Ok(body.to_bytes())
}

/// An answer in pieces, given once its first is here.
async fn flowing(response: Response<Incoming>, asked: Asked) -> Result<Reply, Failure> {
    let mut chunks = Chunks::new(Events::new(response.into_body()), asked);
    let Some(first) = chunks.next().await else {
        return Err(Failure::of_address("its answer was empty"));
    };
    let first = first?;
    let rest = stream::unfold(Some(chunks), |chunks| async move {
        let mut chunks = chunks?;
        let next = chunks.next().await?;
        let goes_on = next.is_ok();
        Some((next, goes_on.then_some(chunks)))
    });
    let events = stream::once(async { Ok(first) }).chain(rest);
    Ok(Reply::Flowing(events.boxed()))
}

#[cfg(test)]
mod tests;
