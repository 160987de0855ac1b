//! This side of the control protocol, as a state machine: what happened and when goes in, what to
//! do comes out. No sockets, no clock, no randomness but what is passed in.
//!
//! The link around it performs each [`Action`] in order, reports each [`Event`], and calls
//! [`Session::wake`] at [`Session::deadline`]. Its invariants: the first message of a stream is
//! Hello and the numbers of its messages have no gap; a gateway that is silent for three heartbeats
//! is left; between two connections lies a delay that grows with failures, is drawn anew each time
//! (full jitter) and is never longer than its cap; no word of a gateway starts a loop.

mod attached;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::attached::Attached;
use super::message::{
    FromGateway, GatewayHeartbeat, Hello, Hints, Numbered, ToGateway, Welcome, Window,
};
use router_policy::Answer;

use crate::budgets::Words;
use crate::inventory::Inventory;

/// The protocol versions that this agent speaks, both ends included.
pub(super) const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;

/// The bounds of everything that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// The longest first delay after a failure; it doubles with each.
    pub(crate) backoff_base: Duration,
    /// The longest delay after any number of failures.
    pub(crate) backoff_cap: Duration,
    /// The longest delay that a gateway can ask for.
    pub(crate) asked_cap: Duration,
    /// How long a gateway may take to say Welcome.
    pub(crate) welcome_within: Duration,
    /// The heartbeat intervals that are accepted; others are moved to the nearest.
    pub(crate) heartbeat: (Duration, Duration),
    /// The longest time that hints are believed.
    pub(crate) hints_cap: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(30),
            asked_cap: Duration::from_secs(3600),
            welcome_within: Duration::from_secs(10),
            heartbeat: (Duration::from_secs(1), Duration::from_secs(300)),
            hints_cap: Duration::from_secs(24 * 3600),
        }
    }
}

/// What can happen to a session.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The connection that was asked for stands.
    Connected,
    /// The gateway said something.
    Message(FromGateway),
    /// The connection is gone, or could not be made.
    Lost(String),
    /// This laptop is no longer as it was told.
    Changed(Box<Inventory>),
    /// This is to be told of budgets, and asked for.
    Budgets(Words),
    /// The agent stops.
    Leave,
}

/// What the link must do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Make a connection.
    Connect,
    /// Say this on it.
    Send(Numbered),
    /// Let the connection go once everything is said.
    Disconnect,
    /// Believe these hints instead of any before.
    Apply(Hints),
    /// Spend from this, or nothing.
    Take(Arc<str>, Answer),
    /// Believe no hints any more.
    Forget,
    /// Tell the rest of the agent how the link stands.
    Report(LinkStatus),
}

/// How the link to the gateway stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LinkStatus {
    /// Not there; another attempt follows.
    Away {
        /// Since when.
        since: Instant,
        /// Why.
        why: String,
    },
    /// There.
    Attached {
        /// The gateway.
        gateway_id: String,
        /// The last measured round trip.
        rtt: Option<Duration>,
    },
    /// The gateway will not have this agent; no attempt follows.
    Refused {
        /// Since when.
        since: Instant,
        /// What it said.
        why: String,
    },
}

/// The agent's half of one control stream after the other.
#[derive(Debug)]
pub(crate) struct Session {
    hello: Hello,
    timing: Timing,
    inventory: Inventory,
    phase: Phase,
    /// Connections that failed since one last proved good.
    failures: u32,
    /// Since when the gateway is away.
    away_since: Instant,
    hints_until: Option<Instant>,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum Phase {
    /// Until the next attempt.
    Waiting { until: Instant },
    /// A connection was asked for.
    Connecting,
    /// Hello was said.
    Greeting { said: Instant },
    /// Welcome was heard.
    Attached(Box<Attached>),
    /// Refused for good, or left on purpose.
    Over,
}

impl Session {
    /// A session that connects at once.
    #[must_use]
    pub(crate) fn new(hello: Hello, inventory: Inventory, timing: Timing, now: Instant) -> Self {
        let mut session = Self {
            hello,
            timing,
            inventory,
            phase: Phase::Waiting { until: now },
            failures: 0,
            away_since: now,
            hints_until: None,
            actions: VecDeque::new(),
        };
        session.wake(now, 0.0);
        session
    }

    /// The next thing to do, in order.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Session::wake`], unless something happens before.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Greeting { said } => Some(*said + self.timing.welcome_within),
            Phase::Attached(attached) => Some(attached.deadline()),
            // The link bounds how long connecting takes.
            Phase::Connecting | Phase::Over => None,
        };
        phase.into_iter().chain(self.hints_until).min()
    }

    /// Something happened at `now`. `draw` is random, from 0 to 1.
    pub(crate) fn handle(&mut self, event: Event, now: Instant, draw: f64) {
        match event {
            Event::Connected => self.connected(now),
            Event::Message(message) => self.heard(message, now, draw),
            Event::Lost(why) => self.lost(why, now, draw),
            Event::Changed(inventory) => self.changed(*inventory),
            Event::Budgets(words) => self.answer(|attached| attached.tell_budgets(words)),
            Event::Leave => self.leave(),
        }
    }

    /// A deadline may have passed by `now`. `draw` is random, from 0 to 1.
    pub(crate) fn wake(&mut self, now: Instant, draw: f64) {
        if self.hints_until.is_some_and(|until| until <= now) {
            self.hints_until = None;
            self.act(Action::Forget);
        }
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => {
                self.phase = Phase::Connecting;
                self.act(Action::Connect);
            }
            Phase::Greeting { said } if *said + self.timing.welcome_within <= now => {
                self.fail(
                    "the gateway did not answer the greeting in time".into(),
                    now,
                    draw,
                );
            }
            Phase::Attached(attached) => match attached.wake(&self.inventory, now) {
                attached::Woken::Say(messages) => self.say(messages),
                attached::Woken::Silent => {
                    self.fail(
                        "the gateway was silent for three heartbeats".into(),
                        now,
                        draw,
                    );
                }
                attached::Woken::Drained => self.move_on(now, draw),
            },
            Phase::Waiting { .. } | Phase::Connecting | Phase::Greeting { .. } | Phase::Over => {}
        }
    }

    fn connected(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Connecting) {
            self.phase = Phase::Greeting { said: now };
            let message = ToGateway::Hello(self.hello.clone());
            self.act(Action::Send(Numbered {
                sequence: 1,
                message,
            }));
        }
    }

    fn heard(&mut self, message: FromGateway, now: Instant, draw: f64) {
        match &mut self.phase {
            Phase::Attached(attached) => attached.heard_at(now),
            Phase::Greeting { .. } => {}
            // Said on a stream that was already let go.
            Phase::Waiting { .. } | Phase::Connecting | Phase::Over => return,
        }
        match message {
            FromGateway::Welcome(welcome) => self.welcomed(&welcome, now, draw),
            FromGateway::Hints(hints) => self.hinted(hints, now),
            FromGateway::Refused {
                reason,
                retry: None,
            } => self.refused(reason, now),
            FromGateway::Refused {
                reason,
                retry: Some(window),
            } => {
                self.asked_back(&Window { reason, ..window }, now, draw);
            }
            FromGateway::Backoff(window) => self.asked_back(&window, now, draw),
            FromGateway::Offer(offer) => self.answer(|attached| attached.refuse(&offer)),
            FromGateway::ResendState => {
                let inventory = self.inventory.clone();
                self.answer(|attached| attached.tell_all(&inventory));
            }
            FromGateway::Drain(within) => {
                self.draining(now + within.min(self.timing.asked_cap).mul_f64(draw))
            }
            FromGateway::Heartbeat(beat) => self.beaten(beat, now),
            FromGateway::Budget(budget, answer) => self.act(Action::Take(budget, answer)),
            FromGateway::Unasked(_) => {}
        }
    }

    fn draining(&mut self, leave_at: Instant) {
        if let Phase::Attached(attached) = &mut self.phase {
            attached.leave_by(leave_at);
        }
    }

    /// An answered heartbeat is what proves a connection good.
    fn beaten(&mut self, beat: GatewayHeartbeat, now: Instant) {
        if let Phase::Attached(attached) = &mut self.phase
            && attached.heartbeat(beat, now)
        {
            self.failures = 0;
            let status = attached.status();
            self.act(Action::Report(status));
        }
    }

    fn welcomed(&mut self, welcome: &Welcome, now: Instant, draw: f64) {
        let Phase::Greeting { said } = self.phase else {
            return;
        };
        if !PROTOCOL.contains(&welcome.protocol) {
            let why = format!(
                "the gateway chose protocol {}, which this agent does not speak",
                welcome.protocol
            );
            return self.fail(why, now, draw);
        }
        let (least, most) = self.timing.heartbeat;
        let interval = welcome.heartbeat_interval.clamp(least, most);
        let mut attached = Attached::new(&welcome.gateway_id, interval, now, now - said);
        let messages = attached.tell_all(&self.inventory);
        self.act(Action::Report(attached.status()));
        self.phase = Phase::Attached(Box::new(attached));
        self.say(messages);
        self.wake(now, draw);
    }

    fn hinted(&mut self, hints: Hints, now: Instant) {
        if matches!(self.phase, Phase::Attached(_)) {
            self.hints_until = Some(now + hints.time_to_live.min(self.timing.hints_cap));
            self.act(Action::Apply(hints));
        }
    }

    fn refused(&mut self, why: String, now: Instant) {
        self.phase = Phase::Over;
        self.act(Action::Disconnect);
        self.act(Action::Report(LinkStatus::Refused { since: now, why }));
    }

    fn asked_back(&mut self, window: &Window, now: Instant, draw: f64) {
        let [least, most] =
            [window.at_least, window.at_most].map(|asked| asked.min(self.timing.asked_cap));
        let delay = least + most.saturating_sub(least).mul_f64(draw);
        self.act(Action::Disconnect);
        self.away(
            format!("the gateway asked to come back later: {}", window.reason),
            now,
            now + delay,
        );
    }

    fn lost(&mut self, why: String, now: Instant, draw: f64) {
        match self.phase {
            Phase::Connecting | Phase::Greeting { .. } | Phase::Attached(_) => {
                self.retry(why, now, draw)
            }
            Phase::Waiting { .. } | Phase::Over => {}
        }
    }

    fn changed(&mut self, inventory: Inventory) {
        self.inventory = inventory;
        let inventory = self.inventory.clone();
        self.answer(|attached| attached.tell_urgent(&inventory));
    }

    fn leave(&mut self) {
        self.answer(|attached| attached.goodbye("the agent stops"));
        self.phase = Phase::Over;
        self.act(Action::Disconnect);
    }

    /// Leaves a gateway that drains, and comes back to whichever answers then.
    fn move_on(&mut self, now: Instant, draw: f64) {
        self.answer(|attached| attached.goodbye("moving on, as asked"));
        self.act(Action::Disconnect);
        self.retry(
            "the gateway is going away, as it announced".into(),
            now,
            draw,
        );
    }

    /// Gives a connection up.
    fn fail(&mut self, why: String, now: Instant, draw: f64) {
        self.act(Action::Disconnect);
        self.retry(why, now, draw);
    }

    /// Full jitter: any delay up to one that doubles with each failure.
    fn retry(&mut self, why: String, now: Instant, draw: f64) {
        let longest = self
            .timing
            .backoff_base
            .saturating_mul(1 << self.failures.min(16));
        let delay = longest.min(self.timing.backoff_cap).mul_f64(draw);
        self.failures = self.failures.saturating_add(1);
        self.away(why, now, now + delay);
    }

    fn away(&mut self, why: String, now: Instant, until: Instant) {
        if matches!(self.phase, Phase::Attached(_)) {
            self.away_since = now;
        }
        self.phase = Phase::Waiting { until };
        self.act(Action::Report(LinkStatus::Away {
            since: self.away_since,
            why,
        }));
    }

    fn answer(&mut self, with: impl FnOnce(&mut Attached) -> Vec<Numbered>) {
        if let Phase::Attached(attached) = &mut self.phase {
            let messages = with(attached);
            self.say(messages);
        }
    }

    fn say(&mut self, messages: Vec<Numbered>) {
        self.actions.extend(messages.into_iter().map(Action::Send));
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}

#[cfg(test)]
mod tests;
