//! Leaves a plug-in alone that fails again and again, so that nobody waits for it: after so many
//! failures in a row it is not asked for a while, then one question tries it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// How long it stays open.
const OPEN_FOR: Duration = Duration::from_secs(10);

/// A circuit breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Nobody is let through before.
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether a question may be asked now. Of those after the pause one is let through.
    pub(super) fn lets_through(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = now.checked_add(OPEN_FOR);
                true
            }
            None => true,
        }
    }

    pub(super) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// Counts a failure; `true` when this one opened it.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES {
            return false;
        }
        let was_closed = state.open_until.is_none();
        state.open_until = now.checked_add(OPEN_FOR);
        was_closed
    }
}

#[cfg(test)]
mod tests {
    //! It opens after failures in a row, tries once after the pause, and closes on success.

    use super::*;

    #[test]
    fn a_plug_in_that_fails_is_left_alone_and_tried_again() {
        let breaker = Breaker::default();
        let start = Instant::now();
        for failure in 1..FAILURES {
            assert!(!breaker.failed(start), "{failure}");
            assert!(breaker.lets_through(start));
        }
        assert!(breaker.failed(start));
        assert!(!breaker.lets_through(start + Duration::from_secs(9)));
        let later = start + OPEN_FOR;
        assert!(breaker.lets_through(later));
        assert!(!breaker.lets_through(later), "one question tries it");
        breaker.succeeded();
        assert!(breaker.lets_through(later) && !breaker.failed(later));
    }
}
