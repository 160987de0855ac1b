//! This side of one control stream, as a state machine: what was heard and when goes in, what to do
//! comes out. No sockets, no clock, no storage.
//!
//! Its invariants: nothing is believed of a stream before its Hello; a missing number makes it ask for
//! the whole state once; every heartbeat is answered by one, and an agent that is silent for three is
//! let go; hints are told again before they expire; an agent that is not served is told why.

mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::state::Known;
use router_policy::{Answer, Ask, Report};

use super::decode::DeviceState;

/// The protocol versions that this gateway speaks, both ends included.
const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;
/// How often each side says that it is there.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream may take to say Hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Longest name of a device, a version or a spool.
pub(crate) const MAX_NAME: usize = 64;
/// When a stream that another one replaced may come back. Long, so that two agents which share one
/// identity do not drive each other out all day.
const REPLACED: ComeBack = ComeBack {
    at_least: Duration::from_secs(60),
    at_most: Duration::from_secs(300),
};
/// When an agent may come back that found no room.
const NO_ROOM: ComeBack = ComeBack {
    at_least: Duration::from_secs(30),
    at_most: Duration::from_secs(120),
};

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
    /// What it tells of its leases, and what it asks for.
    Budget {
        reports: Vec<Report>,
        ask: Option<Ask>,
    },
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
    /// The last word of a stream that is not served; final without a time to come back.
    Refused {
        why: String,
        retry: Option<ComeBack>,
    },
    /// What it asked for of a budget.
    Budget(Arc<str>, Answer),
    /// Connect elsewhere, within this time.
    Drain(Duration),
}

/// When an agent may come back: after a time drawn from this window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ComeBack {
    pub(super) at_least: Duration,
    pub(super) at_most: Duration,
}

/// What the service must do, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Say(ToAgent),
    /// Settle this with the budgets, and tell what comes of it.
    Budget {
        reports: Vec<Report>,
        ask: Option<Ask>,
    },
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
    /// When the gateway stops waiting for an agent that was asked to move.
    gone_by: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was heard yet.
    Greeting,
    /// The device told who it is.
    Attached(Known),
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
            gone_by: None,
        }
    }

    /// When to call [`Session::wake`], unless something is heard before.
    pub(super) fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Greeting => self.heard_at + HELLO_WITHIN,
            Phase::Attached(_) => {
                let due = self.next_hints.min(self.heard_at + HEARTBEAT * 3);
                self.gone_by.map_or(due, |gone_by| gone_by.min(due))
            }
            Phase::Over => self.heard_at,
        }
    }

    /// Whether the agent was asked to move.
    pub(super) const fn is_draining(&self) -> bool {
        self.gone_by.is_some()
    }

    /// Something was heard at `now`.
    pub(super) fn heard(&mut self, numbered: Numbered, now: Instant) -> Vec<Action> {
        self.heard_at = now;
        let Numbered { sequence, message } = numbered;
        match (&mut self.phase, message) {
            (Phase::Over, _) => Vec::new(),
            (Phase::Greeting, FromAgent::Hello(hello)) => self.greeted(hello, sequence),
            (
                Phase::Greeting,
                FromAgent::State(_)
                | FromAgent::Delta(_)
                | FromAgent::Heartbeat(_)
                | FromAgent::Goodbye
                | FromAgent::Budget { .. }
                | FromAgent::Unasked,
            ) => self.refuse("a stream begins with Hello"),
            (Phase::Attached(_), FromAgent::Hello(_)) => self.refuse("a stream holds one Hello"),
            (Phase::Attached(_), FromAgent::Goodbye) => self.end("the agent left"),
            (Phase::Attached(known), FromAgent::State(state)) => {
                let kept = known.replace(state, sequence);
                self.keep(kept)
            }
            (Phase::Attached(known), FromAgent::Delta(delta)) => {
                let kept = known.change(*delta, sequence);
                self.keep(kept)
            }
            (Phase::Attached(known), FromAgent::Heartbeat(beat)) => {
                let kept = known.pass(sequence);
                let mut actions = self.beat(beat, now);
                actions.extend(self.keep(kept));
                actions
            }
            (Phase::Attached(known), FromAgent::Budget { reports, ask }) => {
                let kept = known.pass(sequence);
                let mut actions = self.keep(kept);
                actions.push(Action::Budget { reports, ask });
                actions
            }
            (Phase::Attached(known), FromAgent::Unasked) => {
                let kept = known.pass(sequence);
                self.keep(kept)
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
            Phase::Attached(_) if self.heard_at + HEARTBEAT * 3 <= now => {
                self.end("the agent was silent for three heartbeats")
            }
            Phase::Attached(_) if self.gone_by.is_some_and(|gone_by| gone_by <= now) => {
                self.end("the gateway stops, and the agent stayed")
            }
            Phase::Attached(_) => self.due(now),
        }
    }

    /// The gateway stops: an agent that is attached may take this long to leave.
    pub(super) fn drain(&mut self, within: Duration, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Attached(_) if self.is_draining() => Vec::new(),
            Phase::Attached(_) => {
                self.gone_by = Some(now + within);
                vec![Action::Say(ToAgent::Drain(within))]
            }
            Phase::Greeting | Phase::Over => self.end("the gateway stops"),
        }
    }

    /// Another stream of the same device took over.
    pub(super) fn replaced(&mut self) -> Vec<Action> {
        let why = "another stream attached as this device: an identity is one agent's alone";
        self.last_word(why, Some(REPLACED))
    }

    /// As many devices are attached as this gateway takes.
    pub(super) fn no_room(&mut self) -> Vec<Action> {
        let why = "as many devices are attached as this gateway takes";
        self.last_word(why, Some(NO_ROOM))
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
        self.phase = Phase::Attached(Known::after(sequence));
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

    fn keep(&mut self, told: state::Told) -> Vec<Action> {
        match told {
            state::Told::Nothing => Vec::new(),
            state::Told::Whole(state) => vec![Action::Keep(state)],
            state::Told::Gap => vec![Action::Say(ToAgent::ResendState)],
            state::Told::TooLarge => self.refuse("the device's state is larger than 64 KiB"),
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

    /// What the site can serve has changed: who is attached is told at once.
    pub(super) fn hints_changed(&mut self, now: Instant) -> Vec<Action> {
        if !matches!(self.phase, Phase::Attached(_)) {
            return Vec::new();
        }
        self.next_hints = now;
        self.due(now)
    }

    fn refuse(&mut self, why: &str) -> Vec<Action> {
        self.last_word(why, None)
    }

    fn last_word(&mut self, why: &str, retry: Option<ComeBack>) -> Vec<Action> {
        self.phase = Phase::Over;
        let why = why.to_owned();
        vec![
            Action::Say(ToAgent::Refused { why, retry }),
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
