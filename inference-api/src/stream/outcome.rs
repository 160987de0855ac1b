//! The duty to report how a request ended.
//!
//! Invariant: a guard reports exactly once. One that is dropped before it was
//! told of an ending reports [`Ending::Abandoned`].

use std::fmt;

use smallvec::SmallVec;

use super::Usage;
use crate::error::ErrorKind;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// All of its answer was read.
    Completed(Usage),
    /// It failed, at whatever point.
    Failed(ErrorKind),
    /// Its caller went away.
    Abandoned,
}

/// Reports the ending of one request to whoever made the guard.
#[must_use = "dropping the guard reports the request as abandoned"]
pub struct OutcomeGuard(Option<Box<dyn FnOnce(Ending) + Send>>);

impl OutcomeGuard {
    /// A guard that calls `report` once. It is called from within a poll or a
    /// drop, so it must neither block nor panic.
    pub fn new(report: impl FnOnce(Ending) + Send + 'static) -> Self {
        Self(Some(Box::new(report)))
    }

    /// Reports `ending` now.
    pub fn report(mut self, ending: Ending) {
        self.fire(ending);
    }

    fn fire(&mut self, ending: Ending) {
        if let Some(report) = self.0.take() {
            report(ending);
        }
    }
}

impl Drop for OutcomeGuard {
    fn drop(&mut self) {
        self.fire(Ending::Abandoned);
    }
}

impl fmt::Debug for OutcomeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutcomeGuard")
    }
}

/// The guards of one stream, the innermost first.
#[derive(Debug, Default)]
pub(super) struct Guards(SmallVec<[OutcomeGuard; 1]>);

impl Guards {
    pub(super) fn push(&mut self, guard: OutcomeGuard) {
        self.0.push(guard);
    }

    pub(super) fn fire(&mut self, ending: Ending) {
        for guard in self.0.drain(..) {
            guard.report(ending);
        }
    }
}
