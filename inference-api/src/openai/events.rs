//! Answers in pieces, as server-sent events. The body is made as it is read: a reader that is slow slows
//! what is read from the service, and one that goes away drops it.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{self, StreamExt as _};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use crate::error::InferenceError;
use crate::headers;
use crate::refusal::openai_error;
use crate::stream::{Event, InferenceStream, Served};

/// Room for one event, generously.
const EVENT_BYTES: usize = 512;
/// Bytes after which events are told that are ready at once.
const MOST_BYTES: usize = 16 << 10;

/// Writes the pieces of one kind of answer.
pub(super) trait EventWriter: Send + 'static {
    /// What stands before the first piece.
    fn begin(&mut self, out: &mut Vec<u8>);
    /// A piece, if there is something to tell.
    fn event(&mut self, event: &Event, out: &mut Vec<u8>);
    /// The error that ends it. What was told cannot be taken back.
    fn error(&mut self, error: &InferenceError, out: &mut Vec<u8>) {
        write_event(&openai_error(error), out);
    }
    /// What stands after the last piece.
    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

/// What an answer took, as OpenAI tells it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
    prompt_tokens_details: PromptTokens,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PromptTokens {
    cached_tokens: u32,
}

impl From<crate::stream::Usage> for Usage {
    fn from(usage: crate::stream::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
            prompt_tokens_details: PromptTokens {
                cached_tokens: usage.cached_tokens,
            },
        }
    }
}

/// Where an answer is made, as its first and its last piece tell it beside OpenAI's own fields.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Place {
    schema_version: u8,
    placement: &'static str,
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
}

impl Place {
    pub(super) fn new(served: &Served) -> Self {
        let explanation = served.explanation.as_ref();
        Self {
            schema_version: 1,
            placement: served.placement.name(),
            model: served.model.as_str().to_owned(),
            provider: served.provider.clone(),
            decision_id: explanation.map(|told| told.decision_id.clone()),
            reason: explanation.map(|told| told.reason.clone()),
            policy: explanation.and_then(|told| told.policy.clone()),
            cost_usd: served.cost_usd,
        }
    }

    /// The same, with what it cost in the end.
    pub(super) fn with_cost(mut self, cost_usd: Option<f64>) -> Self {
        self.cost_usd = cost_usd.or(self.cost_usd);
        self
    }
}

/// Writes one event.
pub(super) fn write_event(data: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    // Only a map whose keys are not strings fails to serialise; none is sent.
    drop(serde_json::to_writer(&mut *out, data));
    out.extend_from_slice(b"\n\n");
}

/// The fields of an object, to stand before those of others: without the brace that closes it.
pub(super) fn opened(head: &impl Serialize) -> Vec<u8> {
    let mut opened = serde_json::to_vec(head).unwrap_or_default();
    opened.pop();
    opened
}

/// Writes one event that begins with the fields of `head`, as [`opened`] gives them.
pub(super) fn write_event_after(head: &[u8], data: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(head);
    let brace = out.len();
    // As in `write_event`.
    drop(serde_json::to_writer(&mut *out, data));
    if let Some(brace) = out.get_mut(brace) {
        *brace = b',';
    }
    out.extend_from_slice(b"\n\n");
}

/// The answer, told as it comes.
pub(super) fn respond(stream: InferenceStream, mut writer: impl EventWriter) -> Response {
    let served = stream.served().clone();
    let mut first = Vec::with_capacity(EVENT_BYTES);
    writer.begin(&mut first);
    // Boxed, since it is moved for every piece.
    let state = Some(Box::new((stream, writer)));
    let rest = stream::unfold(state, |state| async move {
        let mut state = state?;
        let (stream, writer) = &mut *state;
        let mut out = Vec::with_capacity(EVENT_BYTES);
        let mut next = stream.next().await;
        loop {
            match next {
                Some(Ok(event)) => writer.event(&event, &mut out),
                Some(Err(error)) => {
                    writer.error(&error, &mut out);
                    return Some((Bytes::from(out), None));
                }
                None => {
                    writer.end(&mut out);
                    return Some((Bytes::from(out), None));
                }
            }
            if out.len() >= MOST_BYTES {
                return Some((Bytes::from(out), Some(state)));
            }
            next = match stream.next().now_or_never() {
                Some(ready) => ready,
                None if out.is_empty() => stream.next().await,
                None => return Some((Bytes::from(out), Some(state))),
            };
        }
    });
    let first = stream::once(async { Bytes::from(first) });
    let body = first.chain(rest).map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers::write_served(headers, &served, served.cost_usd);
    response
}
