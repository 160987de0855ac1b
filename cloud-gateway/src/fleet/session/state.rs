//! What one stream has told of its device, kept whole however it comes: all at once, or what changed.
//!
//! Its invariant: what changed is believed only when nothing before it is missing.

use super::super::decode::DeviceState;

/// What is known of an attached device.
#[derive(Debug)]
pub(super) struct Known {
    next_sequence: u64,
    state: Option<Box<DeviceState>>,
    asked_again: bool,
}

/// What a message came to.
#[derive(Debug)]
pub(super) enum Told {
    /// Nothing new.
    Nothing,
    /// The whole state, as it now is.
    Whole(Box<DeviceState>),
    /// Something is missing: the whole must be asked for.
    Gap,
    /// More than an honest device has to tell.
    TooLarge,
}

impl Known {
    /// Nothing yet, after a Hello of that number.
    pub(super) const fn after(sequence: u64) -> Self {
        Self {
            next_sequence: sequence.saturating_add(1),
            state: None,
            asked_again: false,
        }
    }

    /// The device told everything, which is right whatever came before.
    pub(super) fn replace(&mut self, state: Box<DeviceState>, sequence: u64) -> Told {
        self.is_next(sequence);
        self.asked_again = false;
        self.keep(state)
    }

    /// The device told what changed, which says nothing without what it changed from.
    pub(super) fn change(&mut self, delta: DeviceState, sequence: u64) -> Told {
        let is_next = self.is_next(sequence);
        match self.state.take() {
            Some(mut state) if is_next => {
                state.apply(delta);
                self.keep(state)
            }
            Some(_) | None => self.ask_again(),
        }
    }

    /// The device said something else.
    pub(super) fn pass(&mut self, sequence: u64) -> Told {
        if self.is_next(sequence) {
            Told::Nothing
        } else {
            self.ask_again()
        }
    }

    fn is_next(&mut self, sequence: u64) -> bool {
        let is_next = sequence == self.next_sequence;
        self.next_sequence = sequence.saturating_add(1);
        is_next
    }

    fn keep(&mut self, state: Box<DeviceState>) -> Told {
        if !state.fits() {
            return Told::TooLarge;
        }
        self.state = Some(state.clone());
        Told::Whole(state)
    }

    fn ask_again(&mut self) -> Told {
        self.state = None;
        if std::mem::replace(&mut self.asked_again, true) {
            Told::Nothing
        } else {
            Told::Gap
        }
    }
}
