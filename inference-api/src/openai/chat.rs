//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use self::reply::{Chunks, Head, Tells};
use super::events::{self, Place};
use super::{read, respond};
use crate::error::InferenceError;
use crate::front::Front;
use crate::headers;
use crate::refusal::with_json;
use crate::request::{InferenceRequest, Task};
use crate::stream::Output;

mod call;
mod reply;

pub(super) async fn create(State(front): State<Front>, headers: HeaderMap, body: Body) -> Response {
    respond(serve(&front, &headers, body).await)
}

async fn serve(front: &Front, headers: &HeaderMap, body: Body) -> Result<Response, InferenceError> {
    let (mut context, body) = read(front, headers, body).await?;
    let call = call::parse(&body)?;
    drop(body);
    context.caller.user = call.user;
    let tells_logprobs = call.task.sampling.logprobs.is_some();
    let choices = call.task.sampling.answers();
    let request = InferenceRequest::new(call.model, Task::Chat(Arc::new(call.task)), context);
    let id = request.id.to_string();
    if call.streams {
        let stream = front.stream(request).await?;
        let head = Head::new(&id, "chat.completion.chunk", stream.served());
        let tells = Tells {
            usage: call.tells_usage,
            logprobs: tells_logprobs,
        };
        let chunks = Chunks::new(head, Place::new(stream.served()), choices, tells);
        return Ok(events::respond(stream, chunks));
    }
    let answer = front.answer(request).await?;
    let Output::Generated(answers) = &answer.output else {
        let log = "a chat was answered with something else";
        return Err(InferenceError::internal().with_log(log));
    };
    let head = Head::new(&id, "chat.completion", &answer.served);
    let body = reply::whole(&head, answers, &answer, tells_logprobs);
    let mut response = with_json(StatusCode::OK, body);
    headers::write_answer(response.headers_mut(), &answer);
    Ok(response)
}

#[cfg(test)]
mod tests;
