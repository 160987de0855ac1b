//! Tests of a stream's duties: its outcome, deadline and permits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Ending, Event, InferenceStream, OutcomeGuard, Output, Placement, Served, Usage};
use crate::error::{ErrorKind, InferenceError};
use crate::request::ModelName;

type Endings = Arc<Mutex<Vec<Ending>>>;

fn served() -> Arc<Served> {
    let model = ModelName::new("minilm").unwrap();
    Arc::new(Served::new(Placement::Device, model))
}

fn guard() -> (OutcomeGuard, Endings) {
    let endings = Endings::default();
    let seen = endings.clone();
    let guard = OutcomeGuard::new(move |ending| seen.lock().unwrap().push(ending));
    (guard, endings)
}

fn usage(prompt_tokens: u32) -> Usage {
    Usage {
        prompt_tokens,
        ..Usage::default()
    }
}

fn once() -> InferenceStream {
    let output = Output::Embeddings(vec![vec![1.0]]);
    InferenceStream::once(served(), output, usage(3))
}

fn stuck() -> InferenceStream {
    InferenceStream::flowing(served(), stream::pending())
}

#[tokio::test]
async fn an_answer_at_hand_is_read_whole_and_reports_its_usage() {
    let (guard, endings) = guard();
    let answer = once().with_guard(guard).finish().await.unwrap();
    assert_eq!(answer.usage, usage(3));
    assert_eq!(answer.output, Output::Embeddings(vec![vec![1.0]]));
    assert_eq!(*endings.lock().unwrap(), [Ending::Completed(usage(3))]);
}

#[tokio::test]
async fn every_guard_of_a_stream_learns_its_ending() {
    let ((inner, first), (outer, second)) = (guard(), guard());
    drop(once().with_guard(inner).with_guard(outer));
    assert_eq!(*first.lock().unwrap(), [Ending::Abandoned]);
    assert_eq!(*second.lock().unwrap(), [Ending::Abandoned]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stalls_fails_at_the_earliest_deadline() {
    let (guard, endings) = guard();
    let start = Instant::now();
    let stream = stuck()
        .with_guard(guard)
        .with_deadline(start + Duration::from_secs(5))
        .with_deadline(start + Duration::from_secs(9));
    let error = stream.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    let failed = Ending::Failed(ErrorKind::DeadlineExceeded);
    assert_eq!(*endings.lock().unwrap(), [failed]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_stops_fails_at_its_deadline_too() {
    let busy = stream::repeat_with(|| Ok(Event::Embeddings(Vec::new())));
    let late = Instant::now() + Duration::from_secs(1);
    let mut stream = InferenceStream::flowing(served(), busy).with_deadline(late);
    assert!(stream.next().await.unwrap().is_ok());
    tokio::time::advance(Duration::from_secs(2)).await;
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_permit_is_held_until_the_stream_ends() {
    let places = Arc::new(Semaphore::new(1));
    let permit = places.clone().try_acquire_owned().unwrap();
    let mut stream = once().with_permit(permit);
    while stream.next().await.is_some() {
        let is_last = places.available_permits();
        assert_eq!(is_last, 0);
    }
    assert_eq!(places.available_permits(), 1);
    drop(stream);
    assert_eq!(places.available_permits(), 1);
}

#[tokio::test]
async fn an_answer_without_a_result_is_a_fault_of_ours() {
    let empty = InferenceStream::flowing(served(), stream::empty());
    let error = empty.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn debug_shows_no_content() {
    let event = Event::Embeddings(vec![vec![0.123_456]]);
    assert_eq!(format!("{event:?}"), "Embeddings(1 vectors)");
}

proptest! {
    #[test]
    fn the_outcome_is_reported_exactly_once_however_a_stream_ends(
        events in 0_usize..5,
        fails_after in prop::option::of(0_usize..5),
        reads in 0_usize..8,
    ) {
        let (guard, endings) = guard();
        let good = (0..events).map(|_| Ok(Event::Usage(usage(1))));
        let mut items: Vec<Result<Event, InferenceError>> = good.collect();
        if let Some(at) = fails_after {
            items.insert(at.min(items.len()), Err(InferenceError::overloaded()));
        }
        let failure = items.iter().position(Result::is_err);
        let mut stream = InferenceStream::flowing(served(), stream::iter(items)).with_guard(guard);
        for _ in 0..reads {
            let _event = stream.next().now_or_never();
        }
        drop(stream);
        let expected = match failure {
            Some(at) if reads > at => Ending::Failed(ErrorKind::Overloaded),
            None if reads > events => Ending::Completed(if events > 0 { usage(1) } else { usage(0) }),
            Some(_) | None => Ending::Abandoned,
        };
        prop_assert_eq!(&*endings.lock().unwrap(), &[expected]);
    }
}
