//! What waits for the sessions of one variant, and which session may take it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{Job, Power, RunError};

/// Most jobs that wait.
const MOST_WAITING: usize = 1024;

/// Which kind of session a thread owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// One run uses every thread.
    Wide,
    /// The one of this number among those of one thread.
    Narrow(usize),
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wide => f.write_str("wide"),
            Self::Narrow(index) => write!(f, "{index}"),
        }
    }
}

/// The queue of one variant.
pub(super) struct Queue {
    state: Mutex<State>,
    wide: Condvar,
    narrow: Condvar,
    narrow_sessions: usize,
    has_wide: bool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    running: usize,
    power: Power,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(narrow_sessions: usize, has_wide: bool) -> Self {
        Self {
            state: Mutex::default(),
            wide: Condvar::new(),
            narrow: Condvar::new(),
            narrow_sessions,
            has_wide,
        }
    }

    /// Adds a job, unless too many wait.
    pub(super) fn submit(&self, job: Job) -> Result<(), RunError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(RunError::Stopped);
        }
        if state.waiting.len() >= MOST_WAITING {
            // Those whose callers went away make room first.
            state.waiting.retain(Job::is_wanted);
        }
        if state.waiting.len() >= MOST_WAITING {
            return Err(RunError::Overloaded);
        }
        state.waiting.push_back(job);
        self.wake(&state);
        Ok(())
    }

    /// Waits until this thread may take something, and takes it. `take` is told how much is this
    /// thread's share of what waits. `None` ends the thread.
    pub(super) fn next(
        &self,
        width: Width,
        take: impl Fn(&mut VecDeque<Job>, usize) -> Vec<Job>,
    ) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            if self.may_take(&state, width) {
                let share = state.waiting.len().div_ceil(self.sharing(&state));
                let jobs = take(&mut state.waiting, share);
                if !jobs.is_empty() {
                    state.running += 1;
                    // What is left is for another thread.
                    self.wake(&state);
                    return Some(jobs);
                }
            } else if state.is_closed && state.waiting.is_empty() {
                return None;
            } else {
                let place = if width == Width::Wide {
                    &self.wide
                } else {
                    &self.narrow
                };
                state = place.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// A thread has run what it took.
    pub(super) fn done(&self) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(1);
        self.wake(&state);
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(super) fn set_power(&self, power: Power) {
        self.lock().power = power;
        self.wide.notify_all();
        self.narrow.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wide.notify_all();
        self.narrow.notify_all();
    }

    fn may_take(&self, state: &State, width: Width) -> bool {
        !state.waiting.is_empty()
            && match width {
                Width::Wide => self.is_for_wide(state),
                Width::Narrow(index) => {
                    !self.is_for_wide(state) && (state.power == Power::Full || index == 0)
                }
            }
    }

    /// One job and nothing else: it gets every thread.
    fn is_for_wide(&self, state: &State) -> bool {
        self.has_wide
            && state.power == Power::Full
            && state.running == 0
            && state.waiting.len() == 1
    }

    /// How many threads share what waits.
    fn sharing(&self, state: &State) -> usize {
        match state.power {
            Power::Full => self.narrow_sessions.max(1),
            Power::Saving => 1,
        }
    }

    fn wake(&self, state: &State) {
        if state.waiting.is_empty() {
            return;
        }
        match state.power {
            Power::Full if self.is_for_wide(state) => self.wide.notify_one(),
            Power::Full => self.narrow.notify_one(),
            Power::Saving => self.narrow.notify_all(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
