//! Tests of admission, with the deadline layer around it where time counts.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use super::{AdmissionLayer, AdmissionLimits};
use crate::context::Context;
use crate::error::{ErrorKind, InferenceError};
use crate::layer::DeadlineLayer;
use crate::request::{InferTask, InferenceRequest, ModelName, ModelSelector, Task};
use crate::service::InferenceService;
use crate::stream::{InferenceStream, Placement, Served};

async fn stuck(_: InferenceRequest) -> Result<InferenceStream, InferenceError> {
    let served = Served::new(Placement::Device, ModelName::new("m").unwrap());
    Ok(InferenceStream::flowing(
        Arc::new(served),
        stream::pending(),
    ))
}

fn request() -> InferenceRequest {
    let task = Task::Infer(InferTask {
        inputs: Vec::new(),
        outputs: Vec::new(),
    });
    let deadline = Instant::now() + Duration::from_secs(1);
    InferenceRequest::new(ModelSelector::Auto, task, Context::new(deadline))
}

fn one_and_one_waiting() -> impl InferenceService {
    let limits = AdmissionLimits {
        concurrency: NonZeroUsize::MIN,
        queue: 1,
    };
    AdmissionLayer::new(limits).layer(service_fn(stuck))
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_as_long_as_the_stream() {
    let service = one_and_one_waiting();
    let first = service.clone().oneshot(request()).await.unwrap();
    let second = tokio::spawn(service.clone().oneshot(request()));
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_the_queue_is_turned_away_at_once() {
    let service = one_and_one_waiting();
    let _served = service.clone().oneshot(request()).await.unwrap();
    let waiting = tokio::spawn(service.clone().oneshot(request()));
    tokio::task::yield_now().await;
    let before = Instant::now();
    let error = service.clone().oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.kind().http().as_u16(), 503);
    assert!(error.retry_after().is_some());
    assert_eq!(before.elapsed(), Duration::ZERO);
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_the_deadline_and_gives_the_place_back() {
    let service = one_and_one_waiting();
    let served = service.clone().oneshot(request()).await.unwrap();
    let error = service.clone().oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    drop(served);
    assert!(service.oneshot(request()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_follows_a_stream_that_has_begun() {
    let service = DeadlineLayer.layer(service_fn(stuck));
    let mut stream = service.oneshot(request()).await.unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_before_a_stream_begins() {
    let never = |_: InferenceRequest| std::future::pending();
    let service = DeadlineLayer.layer(service_fn(never));
    let error = service.oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}
