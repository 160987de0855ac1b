//! One accepted stream: its numbers, its heartbeats, and what the gateway has been told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::message::{GatewayHeartbeat, Heartbeat, Numbered, Offer, ToGateway};
use super::LinkStatus;
use crate::budgets::Words;
use crate::inventory::{Change, Inventory};

/// Heartbeats that may be missed before a gateway counts as gone.
const MISSED: u8 = 3;

/// A stream that the gateway has welcomed.
#[derive(Debug)]
pub(super) struct Attached {
    gateway_id: String,
    interval: Duration,
    /// The number of the last message.
    sequence: u64,
    told: Inventory,
    last_heard: Instant,
    next_beat: Instant,
    /// Heartbeats that the gateway may still answer, the newest last.
    beats: VecDeque<(u64, Instant)>,
    /// The gateway's last heartbeat.
    gateway_beat: Option<(u64, Instant)>,
    /// How long Hello took to be answered: a round trip, and what the gateway did meanwhile.
    greeted_in: Duration,
    /// The round trip as heartbeats measure it, smoothed as TCP does (RFC 6298).
    rtt: Option<Duration>,
    leave_at: Option<Instant>,
}

/// What a passed deadline means.
#[derive(Debug)]
pub(super) enum Woken {
    /// Nothing, or some words.
    Say(Vec<Numbered>),
    /// The gateway is gone.
    Silent,
    /// It is time to move on.
    Drained,
}

impl Attached {
    /// A stream whose Hello was answered after `greeted_in`; the first heartbeat is due.
    pub(super) fn new(
        gateway_id: &str,
        interval: Duration,
        now: Instant,
        greeted_in: Duration,
    ) -> Self {
        Self {
            gateway_id: gateway_id.to_owned(),
            interval,
            sequence: 1,
            told: Inventory::default(),
            last_heard: now,
            next_beat: now,
            beats: VecDeque::new(),
            gateway_beat: None,
            greeted_in,
            rtt: None,
            leave_at: None,
        }
    }

    pub(super) fn status(&self) -> LinkStatus {
        LinkStatus::Attached {
            gateway_id: self.gateway_id.clone(),
            rtt: Some(self.rtt.unwrap_or(self.greeted_in)),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let due = self.next_beat.min(self.silent_at());
        self.leave_at.map_or(due, |leave| leave.min(due))
    }

    pub(super) fn wake(&mut self, inventory: &Inventory, now: Instant) -> Woken {
        if self.leave_at.is_some_and(|at| at <= now) {
            return Woken::Drained;
        }
        if self.silent_at() <= now {
            return Woken::Silent;
        }
        if now < self.next_beat {
            return Woken::Say(Vec::new());
        }
        let mut messages = self.tell_change(inventory);
        messages.push(self.beat(now));
        Woken::Say(messages)
    }

    pub(super) fn heard_at(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Takes a heartbeat in; whether it was an answer that told the round trip.
    pub(super) fn heartbeat(&mut self, beat: GatewayHeartbeat, now: Instant) -> bool {
        self.gateway_beat = Some((beat.id, now));
        let Some((answered, held)) = beat.answers else {
            return false;
        };
        let Some(place) = self.beats.iter().position(|(id, _)| *id == answered) else {
            return false;
        };
        let sent = self.beats.drain(..=place).next_back();
        if let Some((_, sent)) = sent {
            let measured = (now - sent).saturating_sub(held);
            self.rtt = Some(self.rtt.map_or(measured, |rtt| (rtt * 7 + measured) / 8));
        }
        true
    }

    /// Everything, whatever was told before.
    pub(super) fn tell_all(&mut self, inventory: &Inventory) -> Vec<Numbered> {
        self.told = inventory.clone();
        vec![self.number(ToGateway::State(Box::new(inventory.clone())))]
    }

    /// What changed, unless it can wait for the next heartbeat.
    pub(super) fn tell_urgent(&mut self, inventory: &Inventory) -> Vec<Numbered> {
        match inventory.change_since(&self.told) {
            Change::Parts(delta) if delta.can_wait() => Vec::new(),
            Change::None | Change::Parts(_) | Change::Whole => self.tell_change(inventory),
        }
    }

    pub(super) fn refuse(&mut self, offer: &Offer) -> Vec<Numbered> {
        let reason = format!(
            "this agent takes no {} from a gateway: it cannot check signatures yet",
            offer.kind
        );
        vec![self.number(ToGateway::Nack {
            nonce: offer.nonce,
            reason,
        })]
    }

    /// Stays until `at`, and no longer than was said before.
    pub(super) fn leave_by(&mut self, at: Instant) {
        self.leave_at = Some(self.leave_at.map_or(at, |before| before.min(at)));
    }

    pub(super) fn goodbye(&mut self, reason: &str) -> Vec<Numbered> {
        vec![self.number(ToGateway::Goodbye {
            reason: reason.to_owned(),
        })]
    }

    fn tell_change(&mut self, inventory: &Inventory) -> Vec<Numbered> {
        match inventory.change_since(&self.told) {
            Change::None => Vec::new(),
            Change::Whole => self.tell_all(inventory),
            Change::Parts(delta) => {
                self.told = inventory.clone();
                vec![self.number(ToGateway::Delta(delta))]
            }
        }
    }

    fn beat(&mut self, now: Instant) -> Numbered {
        self.next_beat = now + self.interval;
        let id = self.sequence + 1;
        self.beats.push_back((id, now));
        if self.beats.len() > usize::from(MISSED) {
            self.beats.pop_front();
        }
        let answers = self.gateway_beat.map(|(id, heard)| (id, now - heard));
        self.number(ToGateway::Heartbeat(Heartbeat { id, answers }))
    }

    fn silent_at(&self) -> Instant {
        self.last_heard + self.interval * u32::from(MISSED)
    }

    /// One message a budget that is asked for; what is told goes with the first.
    pub(super) fn tell_budgets(&mut self, words: Words) -> Vec<Numbered> {
        let Words { mut reports, asks } = words;
        let mut messages = Vec::new();
        for ask in asks {
            let words = Words {
                reports: std::mem::take(&mut reports),
                asks: vec![ask],
            };
            messages.push(self.number(ToGateway::Budget(words)));
        }
        if !reports.is_empty() {
            let asks = Vec::new();
            messages.push(self.number(ToGateway::Budget(Words { reports, asks })));
        }
        messages
    }

    fn number(&mut self, message: ToGateway) -> Numbered {
        self.sequence += 1;
        Numbered {
            sequence: self.sequence,
            message,
        }
    }
}
