//! An answer on its way through: timed, and ended when it falls silent.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream, Stream};
use inference_api::{Delta, Event, Generated, InferenceError, ToolCallDelta, Usage};
use tokio::time::{Instant, timeout};

use super::address::Lease;
use super::{Failure, Pace};

/// An answer that is there at once, in pieces.
pub(super) fn pieces(
    answers: Vec<Generated>,
    usage: Usage,
) -> impl Stream<Item = Result<Event, InferenceError>> + Send + 'static {
    let mut events = Vec::new();
    for (choice, answer) in (0..u8::MAX).zip(answers) {
        if !answer.text.is_empty() || !answer.tokens.is_empty() {
            events.push(Event::Delta(Delta {
                choice,
                text: answer.text,
                tokens: answer.tokens,
            }));
        }
        for (index, call) in (0..u8::MAX).zip(answer.tool_calls) {
            events.push(Event::ToolCall(ToolCallDelta {
                choice,
                index,
                call,
            }));
        }
        events.extend(answer.finish.map(|reason| Event::Finished(choice, reason)));
    }
    events.push(Event::Usage(usage));
    stream::iter(events.into_iter().map(Ok))
}

struct Flow {
    events: BoxStream<'static, Result<Event, Failure>>,
    lease: Option<Lease>,
    pace: Arc<Pace>,
    idle: Duration,
    /// When the first event was there, and how long it took.
    first: Option<(Instant, Duration)>,
}

/// The same events; the address learns how it did.
pub(super) fn watched(
    events: BoxStream<'static, Result<Event, Failure>>,
    lease: Lease,
    pace: Arc<Pace>,
    idle: Duration,
) -> impl Stream<Item = Result<Event, InferenceError>> + Send + 'static {
    let flow = Flow {
        events,
        lease: Some(lease),
        pace,
        idle,
        first: None,
    };
    stream::unfold(flow, |mut flow| async move {
        let next = flow.next().await?;
        Some((next, flow))
    })
}

impl Flow {
    async fn next(&mut self) -> Option<Result<Event, InferenceError>> {
        // Without a lease it has ended.
        self.lease.as_ref()?;
        let event = timeout(self.idle, self.events.next()).await;
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => {
                self.lease = None;
                return None;
            }
            Err(_elapsed) => Err(Failure::of_address("it fell silent in its answer")),
        };
        let now = Instant::now();
        match event {
            Ok(event) => {
                if let (None, Some(lease)) = (self.first, &self.lease) {
                    self.first = Some((now, lease.served(now)));
                }
                if let (Event::Usage(usage), Some((at, took))) = (&event, self.first) {
                    let rest = now.saturating_duration_since(at);
                    self.pace.flowed(took, rest, usage.completion_tokens, now);
                }
                Some(Ok(event))
            }
            Err(failure) => {
                if let Some(lease) = self.lease.take() {
                    lease.failed(failure.blame, now);
                }
                Some(Err(failure.error))
            }
        }
    }
}
