//! Fails a request at its deadline: while it waits for its first event, and
//! between events until its stream ends.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service};

use crate::error::InferenceError;
use crate::request::InferenceRequest;
use crate::service::InferenceService;
use crate::stream::InferenceStream;

/// Puts [`Deadline`] around a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

/// Enforces the deadline that each request brings. See the module page.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
}

impl<S: InferenceService> Service<InferenceRequest> for Deadline<S> {
    type Response = InferenceStream;
    type Error = InferenceError;
    type Future = BoxFuture<'static, Result<InferenceStream, InferenceError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), InferenceError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: InferenceRequest) -> Self::Future {
        let deadline = request.context.deadline;
        let answer = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(answer) => Ok(answer?.with_deadline(deadline)),
                Err(_elapsed) => Err(InferenceError::deadline_exceeded()),
            }
        })
    }
}
