//! One address of a service: how soon it is expected to answer, and whether it is asked at all.
//!
//! Invariant: each request that was begun is counted until its lease is dropped, however it ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inference_api::Usage;
use tokio::time::Instant;

use super::{Blame, Pace};

/// Failures in a row that close it.
const FAILURES: u32 = 5;
/// How long it stays closed at first; each time after twice as long.
const CLOSED_FOR: Duration = Duration::from_secs(2);
const CLOSED_AT_MOST: Duration = Duration::from_secs(60);
/// The longest that a service may ask to be left alone.
const THROTTLED_AT_MOST: Duration = Duration::from_secs(120);
/// How fast a slow answer is forgotten.
const DECAY_SECONDS: f64 = 10.0;

/// One address.
#[derive(Debug)]
pub(super) struct Address {
    url: String,
    underway: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Seconds to a first event: slower ones count at once, faster ones bit by bit.
    first_event: f64,
    updated: Instant,
    failures: u32,
    /// How often it was closed since it last served.
    closings: u32,
    closed_until: Option<Instant>,
    /// What it was last found to be wrong with.
    sick: Option<String>,
}

/// A request under way at an address.
#[derive(Debug)]
pub(super) struct Lease {
    address: Arc<Address>,
    begun: Instant,
}

impl Address {
    pub(super) fn new(url: &str, expected: Duration) -> Self {
        Self {
            url: url.to_owned(),
            underway: AtomicU32::new(0),
            state: Mutex::new(State {
                first_event: expected.as_secs_f64(),
                updated: Instant::now(),
                failures: 0,
                closings: 0,
                closed_until: None,
                sick: None,
            }),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.url
    }

    /// Why it is not asked now.
    pub(super) fn closed(&self, now: Instant) -> Option<String> {
        let state = self.state();
        if let Some(sick) = &state.sick {
            return Some(sick.clone());
        }
        let until = state.closed_until.filter(|until| now < *until)?;
        let rest = until.saturating_duration_since(now).as_secs_f64();
        Some(format!(
            "it failed again and again and is left alone for {rest:.0} s"
        ))
    }

    /// Seconds until it should answer one more, as far as that can be told.
    pub(super) fn load(&self, now: Instant) -> f64 {
        let underway = f64::from(self.underway.load(Ordering::Relaxed));
        let state = self.state();
        // Nothing was heard for a while: it may be better than it was.
        let quiet = now.saturating_duration_since(state.updated).as_secs_f64();
        state.first_event * (-quiet / DECAY_SECONDS).exp().max(0.01) * (underway + 1.0)
    }

    pub(super) fn begin(self: &Arc<Self>, now: Instant) -> Lease {
        self.underway.fetch_add(1, Ordering::Relaxed);
        Lease {
            address: self.clone(),
            begun: now,
        }
    }

    /// Takes what a look at it found; tells what changed: that it is well, or what it has.
    pub(super) fn looked(&self, found: Result<(), String>) -> Option<Option<String>> {
        let mut state = self.state();
        let sick = found.err();
        let has_changed = state.sick.is_some() != sick.is_some();
        state.sick.clone_from(&sick);
        has_changed.then_some(sick)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The first event is there.
    pub(super) fn served(&self, now: Instant) -> Duration {
        let took = now.saturating_duration_since(self.begun);
        let mut state = self.address.state();
        let quiet = now.saturating_duration_since(state.updated).as_secs_f64();
        let keep = (-quiet / DECAY_SECONDS).exp();
        let seconds = took.as_secs_f64();
        state.first_event = if seconds > state.first_event {
            seconds
        } else {
            state.first_event * keep + seconds * (1.0 - keep)
        };
        state.updated = now;
        state.failures = 0;
        state.closings = 0;
        state.closed_until = None;
        took
    }

    /// All of the answer is there at once.
    pub(super) fn whole(self, pace: &Pace, usage: Usage) {
        let now = Instant::now();
        let took = self.served(now);
        pace.whole(took, usage, now);
    }

    /// It failed, before its first event or after it.
    pub(super) fn failed(self, blame: Blame, now: Instant) {
        let mut state = self.address.state();
        let closed_for = match blame {
            Blame::Request => return,
            Blame::Throttled(after) => after.min(THROTTLED_AT_MOST),
            Blame::Address => {
                state.failures = state.failures.saturating_add(1);
                // One that was closed before is closed again by the first failure.
                if state.failures < FAILURES && state.closings == 0 {
                    return;
                }
                let longer = CLOSED_FOR.saturating_mul(1 << state.closings.min(5));
                state.closings = state.closings.saturating_add(1);
                // Gateways that saw the same failure do not come back together.
                longer
                    .min(CLOSED_AT_MOST)
                    .mul_f64(0.5 + rand::random::<f64>() / 2.0)
            }
        };
        state.closed_until = now.checked_add(closed_for);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.address.underway.fetch_sub(1, Ordering::Relaxed);
    }
}
