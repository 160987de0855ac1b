//! What agents say, from the wire into values that cannot be wrong. One way only.

use std::time::Duration;

use prost::Message as _;
use tideline_proto::tideline::fleet::v1 as wire;
use wire::agent_message::Message;

use router_policy::{Ask, LeaseId, Micros, Report};

use super::session::MAX_NAME;
use super::session::{Beat, FromAgent, Hello, Numbered};

/// What a device told of itself: kept and shown as it came, and looked into by nobody here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DeviceState(wire::DeviceState);

/// Largest state that is kept, in bytes. A full page of devices fits one answer to an operator.
const MAX_STATE_BYTES: usize = 64 << 10;

impl DeviceState {
    /// Puts what changed over what was there: what is absent or empty is as it was.
    pub(super) fn apply(&mut self, delta: Self) {
        let wire::DeviceState {
            host,
            devices,
            models,
            runtime,
            facts,
            labels,
        } = delta.0;
        let state = &mut self.0;
        state.host = host.or(state.host.take());
        state.runtime = runtime.or(state.runtime.take());
        state.facts = facts.or(state.facts.take());
        if !devices.is_empty() {
            state.devices = devices;
        }
        if !models.is_empty() {
            state.models = models;
        }
        state.labels.extend(labels);
    }

    /// Whether it is no larger than what is kept.
    pub(super) fn fits(&self) -> bool {
        self.0.encoded_len() <= MAX_STATE_BYTES
    }

    /// As it is kept.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

/// One message of an agent.
pub(super) fn message(message: wire::AgentMessage) -> Numbered {
    let said = match message.message {
        Some(Message::Hello(hello)) => FromAgent::Hello(Hello {
            device_id: hello.device_id,
            agent_version: hello.agent_version,
            protocols: (hello.protocol_min, hello.protocol_max),
        }),
        Some(Message::State(state)) => FromAgent::State(Box::new(DeviceState(state))),
        Some(Message::Delta(delta)) => FromAgent::Delta(Box::new(DeviceState(delta))),
        Some(Message::Heartbeat(beat)) => FromAgent::Heartbeat(decode_beat(beat)),
        Some(Message::Goodbye(_)) => FromAgent::Goodbye,
        Some(Message::BudgetRequest(words)) => budget(words),
        Some(Message::Ack(_) | Message::Nack(_)) | None => FromAgent::Unasked,
    };
    Numbered {
        sequence: message.sequence,
        message: said,
    }
}

/// Most leases that are told of at a time.
const MAX_REPORTS: usize = 256;

fn budget(words: wire::BudgetRequest) -> FromAgent {
    let wire::BudgetRequest {
        budget,
        newest_lease,
        reports,
    } = words;
    let is_name = !budget.is_empty() && budget.len() <= MAX_NAME;
    let ask = is_name.then(|| Ask {
        budget: budget.into(),
        newest: (newest_lease != 0).then_some(LeaseId(newest_lease)),
    });
    let reports = reports.into_iter().take(MAX_REPORTS).map(|report| Report {
        lease: LeaseId(report.lease),
        spent: Micros::new(report.spent_usd_micros),
        is_final: report.is_final,
    });
    FromAgent::Budget {
        reports: reports.collect(),
        ask,
    }
}

fn decode_beat(beat: wire::Heartbeat) -> Beat {
    let held = beat
        .held
        .and_then(|held| Duration::try_from(held).ok())
        .unwrap_or_default();
    Beat {
        id: beat.id,
        answers: (beat.answers != 0).then_some((beat.answers, held)),
    }
}
