//! An error as an answer, in the form of whichever protocol asked.
//!
//! The only place where errors of requests are logged.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{OriginalUri, Request};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{StatusCode, Uri};
use serde::Serialize;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic_types::{ErrorDetails, StatusExt};

use crate::error::{ErrorKind, InferenceError};
use crate::headers;

/// The domain of the reasons in gRPC's error details.
const DOMAIN: &str = "tideline.dev";

/// The protocols whose forms differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's HTTP API, and whatever is none of the others.
    OpenAi,
    /// The Open Inference Protocol over REST.
    OpenInference,
    /// gRPC.
    Grpc,
}

impl Protocol {
    /// The protocol that a request speaks, by its content type and path.
    #[must_use]
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if content_type.is_some_and(|text| text.starts_with(b"application/grpc")) {
            return Self::Grpc;
        }
        match uri.path().strip_prefix("/v2") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::OpenInference,
            Some(_) | None => Self::OpenAi,
        }
    }

    /// The answer that tells a caller of this protocol about `error`.
    #[must_use]
    pub fn refuse(self, error: &InferenceError) -> Response {
        match self {
            Self::OpenAi => openai(error),
            Self::OpenInference => open_inference(error),
            Self::Grpc => status(error).into_http(),
        }
    }
}

/// The error for an address that there is not.
pub(crate) fn unknown_address(request: &Request) -> InferenceError {
    let message = format!("there is nothing at {}", address(request));
    InferenceError::new(ErrorKind::NotFound, message)
}

/// The error for an address that does not take the method.
pub(crate) fn wrong_method(request: &Request) -> InferenceError {
    let message = format!("another method is expected than {}", address(request));
    InferenceError::new(ErrorKind::MethodNotAllowed, message)
}

/// The error for an address whose parts cannot be read.
pub(crate) fn unreadable_address(rejection: &PathRejection) -> InferenceError {
    InferenceError::invalid("the address is not percent-encoded UTF-8").with_log(rejection)
}

/// Method and path as the caller sent them, cut to a line.
fn address(request: &Request) -> String {
    let original = request.extensions().get::<OriginalUri>();
    let uri = original.map_or(request.uri(), |original| &original.0);
    let path: String = uri.path().chars().take(256).collect();
    format!("{} {path}", request.method())
}

/// The error as a gRPC status with `google.rpc` details.
#[must_use]
pub fn status(error: &InferenceError) -> Status {
    log(error);
    let mut details = ErrorDetails::with_error_info(error.kind().code(), DOMAIN, []);
    if let Some(after) = error.retry_after() {
        details.set_retry_info(Some(after));
    }
    if let Some(param) = error.param() {
        details.add_bad_request_violation(param, error.message());
    }
    let mut headers = HeaderMap::new();
    headers::write_error(&mut headers, error);
    let metadata = MetadataMap::from_headers(headers);
    let code = error.kind().grpc();
    Status::with_error_details_and_metadata(code, error.message(), details, metadata)
}

fn openai(error: &InferenceError) -> Response {
    json(error, serde_json::to_vec(&openai_error(error)))
}

/// The error as OpenAI shapes it; it is written to the log, too.
pub(crate) fn openai_error(error: &InferenceError) -> impl Serialize {
    #[derive(Serialize)]
    struct Body<'a> {
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        message: &'a str,
        r#type: &'a str,
        param: Option<&'a str>,
        code: &'a str,
    }
    log(error);
    Body {
        error: Inner {
            message: error.message(),
            r#type: error.kind().openai_type(),
            param: error.param(),
            code: error.kind().code(),
        },
    }
}

fn open_inference(error: &InferenceError) -> Response {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
    }
    log(error);
    let body = Body {
        error: error.message(),
    };
    json(error, serde_json::to_vec(&body))
}

fn json(error: &InferenceError, body: serde_json::Result<Vec<u8>>) -> Response {
    let mut response = with_json(error.kind().http(), body);
    headers::write_error(response.headers_mut(), error);
    if error.kind() == ErrorKind::Unauthenticated {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

/// An answer of that status with a JSON body.
pub(crate) fn with_json(status: StatusCode, body: serde_json::Result<Vec<u8>>) -> Response {
    // Only a map whose keys are not strings fails to serialise; none is sent.
    let body = Bytes::from(body.unwrap_or_default());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn log(error: &InferenceError) {
    let code = error.kind().code();
    match error.kind() {
        ErrorKind::Internal => tracing::error!(code, "{}", error.log()),
        ErrorKind::InvalidRequest
        | ErrorKind::Unsupported
        | ErrorKind::ContextLengthExceeded
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::PolicyDenied
        | ErrorKind::ModelNotFound
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::RequestTimeout
        | ErrorKind::RequestTooLarge
        | ErrorKind::BudgetExceeded
        | ErrorKind::Overloaded
        | ErrorKind::ModelNotReady
        | ErrorKind::NoEligibleRoute
        | ErrorKind::Unavailable
        | ErrorKind::DeadlineExceeded => tracing::debug!(code, "{}", error.log()),
    }
}

#[cfg(test)]
mod tests;
