//! Lets so many requests in at a time, keeps so many waiting, and turns the
//! rest away at once.
//!
//! Invariant: a request that was let in holds its place until its stream ends.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::error::InferenceError;
use crate::request::InferenceRequest;
use crate::service::InferenceService;
use crate::stream::InferenceStream;

/// How many requests there may be.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Served at a time.
    pub concurrency: NonZeroUsize,
    /// Waiting beside those that are served.
    pub queue: usize,
}

/// Puts [`Admission`] around a service. All that one layer makes share its
/// places.
#[derive(Clone, Debug)]
pub struct AdmissionLayer(Arc<Gate>);

impl AdmissionLayer {
    /// A layer with places of its own.
    #[must_use]
    pub fn new(limits: AdmissionLimits) -> Self {
        let served = limits.concurrency.get().min(Semaphore::MAX_PERMITS);
        let known = served.saturating_add(limits.queue);
        Self(Arc::new(Gate {
            served: Arc::new(Semaphore::new(served)),
            known: Arc::new(Semaphore::new(known.min(Semaphore::MAX_PERMITS))),
        }))
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        let gate = self.0.clone();
        Admission { inner, gate }
    }
}

/// Bounds how many requests its service sees. See the module page.
#[derive(Clone, Debug)]
pub struct Admission<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S: InferenceService> Service<InferenceRequest> for Admission<S> {
    type Response = InferenceStream;
    type Error = InferenceError;
    type Future = BoxFuture<'static, Result<InferenceStream, InferenceError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), InferenceError>> {
        // Being full is an answer to a request, not a reason to hold its caller.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: InferenceRequest) -> Self::Future {
        let inner = self.inner.clone();
        let gate = self.gate.clone();
        Box::pin(async move {
            let (known, served) = gate.enter(request.context.deadline).await?;
            let answer = inner.oneshot(request).await?;
            Ok(answer.with_permit(served).with_permit(known))
        })
    }
}

#[derive(Debug)]
struct Gate {
    served: Arc<Semaphore>,
    /// Those being served and those waiting.
    known: Arc<Semaphore>,
}

impl Gate {
    async fn enter(
        &self,
        deadline: Instant,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), InferenceError> {
        let known = self.known.clone().try_acquire_owned();
        let known = known.map_err(|_full| InferenceError::overloaded())?;
        let place = self.served.clone().acquire_owned();
        match tokio::time::timeout_at(deadline, place).await {
            Ok(Ok(served)) => Ok((known, served)),
            Ok(Err(_closed)) => Err(InferenceError::overloaded()),
            Err(_elapsed) => Err(InferenceError::deadline_exceeded()),
        }
    }
}

#[cfg(test)]
mod tests;
