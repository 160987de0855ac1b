//! `POST /v2/models/{model}/infer`, with JSON tensors or binary ones after the
//! JSON.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, StatusCode};

use super::reply::Label;
use super::{Target, call, reply};
use crate::error::{ErrorKind, InferenceError};
use crate::front::Front;
use crate::headers;
use crate::oip::{select, tensors_of, version_of};
use crate::refusal::with_json;
use crate::request::{InferTask, InferenceRequest, Task};

/// Where the JSON ends and the binary tensors begin.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

pub(super) async fn serve(
    front: &Front,
    target: Target,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, InferenceError> {
    let limits = &front.limits;
    let context = headers::context(headers, limits.request_timeout)?;
    let model = select(front, &target.model, &target.version)?;
    let most = if headers.contains_key(JSON_LENGTH) {
        limits.max_tensor_bytes
    } else {
        limits.max_body_bytes
    };
    let body = crate::body::read(headers, body, most, limits.body_timeout).await?;
    let (json, binary) = divide(front, headers, body)?;
    let call = call::parse(front, &json, binary)?;
    let task = Task::Infer(InferTask {
        inputs: call.inputs,
        outputs: call.encodings.names(),
    });
    let request = InferenceRequest::new(model, task, context);
    let answer = front.answer(request).await?;
    let version = version_of(front, &answer.served.model, target.version);
    let label = Label {
        model: &answer.served.model,
        version: &version,
        id: call.id.as_deref(),
    };
    let reply = reply::write(label, tensors_of(&answer.output)?, &call.encodings)?;
    let mut response = with_json(StatusCode::OK, Ok(reply.body));
    headers::write_answer(response.headers_mut(), &answer);
    if let Some(length) = reply.json_length {
        let told = response.headers_mut();
        told.insert(JSON_LENGTH, HeaderValue::from(length));
        let binary = HeaderValue::from_static("application/octet-stream");
        told.insert(CONTENT_TYPE, binary);
    }
    Ok(response)
}

/// The JSON of a body, and what follows it.
fn divide(
    front: &Front,
    headers: &HeaderMap,
    mut body: Bytes,
) -> Result<(Bytes, Bytes), InferenceError> {
    let Some(length) = headers.get(JSON_LENGTH) else {
        return Ok((body, Bytes::new()));
    };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    let length: usize = length
        .filter(|&length| length <= body.len())
        .ok_or_else(|| {
            let most = body.len();
            let message =
                format!("header {JSON_LENGTH}: expected a length within the body's {most}");
            InferenceError::invalid(message).with_param(JSON_LENGTH.as_str().to_owned())
        })?;
    let most = front.limits.max_body_bytes;
    if length > most {
        let message = format!("the JSON is longer than {most} bytes, the most taken here");
        return Err(InferenceError::new(ErrorKind::RequestTooLarge, message));
    }
    let json = body.split_to(length);
    Ok((json, body))
}
