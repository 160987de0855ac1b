//! This side of one control stream, as a state machine: what was heard and when goes in, what to do
//! comes out. No sockets, no clock, no storage.
//!
//! Its invariants: nothing is believed of a stream before its Hello; a missing number makes it ask for
//! the whole state once; every heartbeat is answered by one, and an agent that is silent for three is
//! let go; hints are told again before they expire.

use std::time::{Duration, Instant};

use super::decode::DeviceState;

/// The protocol versions that this gateway speaks, both ends included.
const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;
/// How often each side says that it is there.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream may take to say Hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Longest name of a device, a version or a spool.
pub(crate) const MAX_NAME: usize = 64;

/// What an agent says, with its place in the stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numbered {
    pub(super) sequence: u64,
    pub(super) message: FromAgent,
}

/// What an agent says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FromAgent {
    Hello(Hello),
    State(Box<DeviceState>),
    Delta(Box<DeviceState>),
    Heartbeat(Beat),
    Goodbye,
    /// Something that this gateway did not ask for.
    Unasked,
}

/// Who an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) device_id: String,
    pub(super) agent_version: String,
    pub(super) protocols: (u32, u32),
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) id: u64,
    /// The heartbeat that it answers, and how long that was held.
    pub(super) answers: Option<(u64, Duration)>,
}

/// What the gateway says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ToAgent {
    Welcome {
        protocol: u32,
        heartbeat: Duration,
    },
    Hints,
    Heartbeat(Beat),
    ResendState,
    /// The last word of a stream that is not served.
    Refused(String),
    /// Connect elsewhere, within this time.
    Drain(Duration),
}

/// What the service must do, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Say(ToAgent),
    /// The device is attached by this stream, instead of any before.
    Attach {
        device_id: String,
        agent_version: String,
    },
    /// This is the device's whole state.
    Keep(Box<DeviceState>),
    /// The device is there, and this far away.
    Seen {
        rtt: Option<Duration>,
    },
    /// End the stream.
    End(&'static str),
}

/// One control stream.
#[derive(Debug)]
pub(super) struct Session {
    phase: Phase,
    heard_at: Instant,
    next_hints: Instant,
    beats: u64,
    sent_beat: Option<(u64, Instant)>,
    hints_every: Duration,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was heard yet.
    Greeting,
    /// The device told who it is.
    Attached {
        next_sequence: u64,
        state: Option<Box<DeviceState>>,
        asked_again: bool,
    },
    Over,
}

impl Session {
    /// A stream that was opened at `now`. Hints are told every `hints_every`.
    pub(super) fn new(now: Instant, hints_every: Duration) -> Self {
        Self {
            phase: Phase::Greeting,
            heard_at: now,
            next_hints: now,
            beats: 0,
            sent_beat: None,
            hints_every,
        }
    }

    /// When to call [`Session::wake`], unless something is heard before.
    pub(super) fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Greeting => self.heard_at + HELLO_WITHIN,
            Phase::Attached { .. } => self.next_hints.min(self.heard_at + HEARTBEAT * 3),
            Phase::Over => self.heard_at,
        }
    }

    /// Something was heard at `now`.
    pub(super) fn heard(&mut self, numbered: Numbered, now: Instant) -> Vec<Action> {
        self.heard_at = now;
        let Numbered { sequence, message } = numbered;
        match (&mut self.phase, message) {
            (Phase::Over, _) => Vec::new(),
            (Phase::Greeting, FromAgent::Hello(hello)) => self.greeted(hello, sequence),
            (Phase::Greeting, _) => self.refuse("a stream begins with Hello"),
            (Phase::Attached { .. }, FromAgent::Hello(_)) => {
                self.refuse("a stream holds one Hello")
            }
            (Phase::Attached { .. }, FromAgent::Goodbye) => self.end("the agent left"),
            (
                Phase::Attached {
                    next_sequence,
                    asked_again,
                    state,
                },
                message,
            ) => {
                let is_next = sequence == *next_sequence;
                *next_sequence = sequence.saturating_add(1);
                match message {
                    FromAgent::State(told) => {
                        *asked_again = false;
                        *state = Some(told.clone());
                        vec![Action::Keep(told)]
                    }
                    // What changed says nothing without what it changed from.
                    _ if !is_next => Self::ask_again(asked_again, state),
                    FromAgent::Delta(delta) => match state {
                        Some(state) => {
                            state.apply(*delta);
                            vec![Action::Keep(state.clone())]
                        }
                        None => Self::ask_again(asked_again, state),
                    },
                    FromAgent::Heartbeat(beat) => self.beat(beat, now),
                    FromAgent::Unasked | FromAgent::Hello(_) | FromAgent::Goodbye => Vec::new(),
                }
            }
        }
    }

    /// A deadline may have passed by `now`.
    pub(super) fn wake(&mut self, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Over => Vec::new(),
            Phase::Greeting if self.heard_at + HELLO_WITHIN <= now => {
                self.refuse("the stream said no Hello in time")
            }
            Phase::Greeting => Vec::new(),
            Phase::Attached { .. } if self.heard_at + HEARTBEAT * 3 <= now => {
                self.end("the agent was silent for three heartbeats")
            }
            Phase::Attached { .. } => self.due(now),
        }
    }

    /// The gateway stops.
    pub(super) fn drain(&mut self, within: Duration) -> Vec<Action> {
        match self.phase {
            Phase::Attached { .. } => {
                self.phase = Phase::Over;
                vec![
                    Action::Say(ToAgent::Drain(within)),
                    Action::End("the gateway stops"),
                ]
            }
            Phase::Greeting | Phase::Over => self.end("the gateway stops"),
        }
    }

    /// Another stream of the same device took over.
    pub(super) fn replaced(&mut self) -> Vec<Action> {
        self.end("the device attached again")
    }

    fn greeted(&mut self, hello: Hello, sequence: u64) -> Vec<Action> {
        let Hello {
            device_id,
            agent_version,
            protocols: (least, most),
        } = hello;
        let is_name = |name: &str| {
            !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(|b| b.is_ascii_graphic())
        };
        if !is_name(&device_id) || !is_name(&agent_version) {
            return self.refuse("the device's id or version is not a name");
        }
        let protocol = PROTOCOL
            .rev()
            .find(|version| (least..=most).contains(version));
        let Some(protocol) = protocol else {
            return self.refuse(&format!(
                "the agent speaks protocols {least} to {most}, this gateway {PROTOCOL:?}"
            ));
        };
        self.phase = Phase::Attached {
            next_sequence: sequence.saturating_add(1),
            state: None,
            asked_again: false,
        };
        vec![
            Action::Attach {
                device_id,
                agent_version,
            },
            Action::Say(ToAgent::Welcome {
                protocol,
                heartbeat: HEARTBEAT,
            }),
        ]
    }

    fn ask_again(asked_again: &mut bool, state: &mut Option<Box<DeviceState>>) -> Vec<Action> {
        *state = None;
        if std::mem::replace(asked_again, true) {
            Vec::new()
        } else {
            vec![Action::Say(ToAgent::ResendState)]
        }
    }

    fn beat(&mut self, beat: Beat, now: Instant) -> Vec<Action> {
        let rtt = beat
            .answers
            .zip(self.sent_beat)
            .and_then(|((id, held), (sent, at))| {
                (id == sent).then(|| now.saturating_duration_since(at).saturating_sub(held))
            });
        // The answer is a heartbeat itself, so that this side learns the round trip too.
        self.beats += 1;
        self.sent_beat = Some((self.beats, now));
        let answer = Beat {
            id: self.beats,
            answers: Some((beat.id, Duration::ZERO)),
        };
        vec![
            Action::Seen { rtt },
            Action::Say(ToAgent::Heartbeat(answer)),
        ]
    }

    fn due(&mut self, now: Instant) -> Vec<Action> {
        if now < self.next_hints {
            return Vec::new();
        }
        self.next_hints = now + self.hints_every;
        vec![Action::Say(ToAgent::Hints)]
    }

    fn refuse(&mut self, why: &str) -> Vec<Action> {
        self.phase = Phase::Over;
        vec![
            Action::Say(ToAgent::Refused(why.to_owned())),
            Action::End("the stream was refused"),
        ]
    }

    fn end(&mut self, why: &'static str) -> Vec<Action> {
        self.phase = Phase::Over;
        vec![Action::End(why)]
    }
}

#[cfg(test)]
mod tests;
