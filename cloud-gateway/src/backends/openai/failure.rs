//! What a service's refusals and faults mean: whose doing they are, and what callers are told.
//!
//! A service's own words go to the caller alone, and only where they are about the caller's request.
//! They may repeat content, so no log holds them.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use http::response::Parts;
use inference_api::{ErrorKind, InferenceError};
use serde::Deserialize;

use crate::backends::upstream::{Blame, Failure};

/// The longest message of a service that a caller is shown, in characters.
const MAX_TEXT: usize = 512;
/// How long a service is left alone that does not say for how long.
const THROTTLED: Duration = Duration::from_secs(1);

#[derive(Deserialize, Default)]
struct Body {
    #[serde(default)]
    error: ErrorForm,
}

/// An error as services write it, in a body or in the midst of a stream.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ErrorForm {
    message: Option<String>,
    code: Option<serde_json::Value>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The connection did not hold, or never stood.
pub(super) fn of_transport(error: &hyper_util::client::legacy::Error) -> Failure {
    Failure::of_address(transport(error))
}

/// What became of the connection, in few words.
pub(super) fn transport(error: &hyper_util::client::legacy::Error) -> String {
    let what = if error.is_connect() {
        "it could not be reached"
    } else {
        "the connection broke"
    };
    format!("{what}: {}", deepest(error))
}

/// The answer broke off.
pub(super) fn of_body(error: &(dyn Error + 'static)) -> Failure {
    Failure::of_address(format!("its answer broke off: {}", deepest(error)))
}

/// It did not do what was asked.
pub(super) fn of_status(head: &Parts, body: &[u8]) -> Failure {
    let after = head.headers.get(RETRY_AFTER);
    let after = after.and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let after = after.map(|seconds| Duration::from_secs(seconds.into()));
    let form: Body = serde_json::from_slice(body).unwrap_or_default();
    failure(head.status, after, &form.error)
}

/// It gave up in the midst of its answer.
pub(super) fn in_stream(form: &ErrorForm) -> Failure {
    let code = form.code.as_ref().and_then(|code| match code {
        serde_json::Value::Number(number) => u16::try_from(number.as_u64()?).ok(),
        serde_json::Value::String(text) => text.parse().ok(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    });
    let is_throttled = [form.kind.as_deref(), form.text_code()]
        .into_iter()
        .flatten()
        .any(|word| word.contains("rate_limit") || word.contains("overloaded"));
    let status = match code.and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(status) => status,
        None if is_throttled => StatusCode::TOO_MANY_REQUESTS,
        None => StatusCode::INTERNAL_SERVER_ERROR,
    };
    failure(status, None, form)
}

fn failure(status: StatusCode, after: Option<Duration>, form: &ErrorForm) -> Failure {
    let log = format!("it answered with status {}", status.as_u16());
    let of_request = |kind, usual: &'static str| Failure {
        error: InferenceError::new(kind, form.shown().unwrap_or_else(|| usual.into()))
            .with_log(&log),
        blame: Blame::Request,
    };
    match status.as_u16() {
        400 | 422 if form.text_code() == Some("context_length_exceeded") => of_request(
            ErrorKind::ContextLengthExceeded,
            "the request is longer than the upstream's model takes",
        ),
        400 | 422 => of_request(
            ErrorKind::InvalidRequest,
            "the upstream refuses the request",
        ),
        413 => of_request(
            ErrorKind::RequestTooLarge,
            "the request is larger than the upstream takes",
        ),
        429 => {
            let after = after.unwrap_or(THROTTLED);
            let message = "the upstream has too much to do; try again shortly";
            let error = InferenceError::new(ErrorKind::Overloaded, message);
            Failure {
                error: error.with_retry_after(after).with_log(log),
                blame: Blame::Throttled(after),
            }
        }
        401 | 403 => Failure::of_address("it does not accept the key"),
        404 => Failure::of_address("it does not know the model, or the address is wrong"),
        _ => Failure::of_address(log),
    }
}

impl ErrorForm {
    fn text_code(&self) -> Option<&str> {
        self.code.as_ref()?.as_str()
    }

    /// What a caller is told of it.
    fn shown(&self) -> Option<String> {
        let message = self.message.as_ref()?;
        let shown = message.chars().filter(|c| !c.is_control());
        Some(shown.take(MAX_TEXT).collect())
    }
}

/// The last cause: the transport's own words, which hold no content.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
