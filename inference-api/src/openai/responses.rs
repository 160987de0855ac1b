//! `POST /v1/responses`: text and calls of functions, whole or as they come. Nothing is kept between
//! calls, so the whole conversation comes with each.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use self::reply::Writer;
use super::{events, read, respond};
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
    let request = InferenceRequest::new(call.model, Task::Chat(Arc::new(call.task)), context);
    let id = request.id.to_string();
    if call.streams {
        let stream = front.stream(request).await?;
        let writer = Writer::new(&id, stream.served().model.as_str());
        return Ok(events::respond(stream, writer));
    }
    let answer = front.answer(request).await?;
    let Output::Generated(answers) = &answer.output else {
        let log = "a conversation was answered with something else";
        return Err(InferenceError::internal().with_log(log));
    };
    let mut writer = Writer::new(&id, answer.served.model.as_str());
    let whole = writer.whole(answers.first(), answer.usage);
    let mut response = with_json(StatusCode::OK, serde_json::to_vec(&whole));
    headers::write_answer(response.headers_mut(), &answer);
    Ok(response)
}

#[cfg(test)]
mod tests;
