//! What the agent says to its gateway, as it looks on the wire. One way only.

use std::time::{Duration, SystemTime};

use tideline_proto::tideline::fleet::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;
use wire::agent_message::Message;

use router_policy::Report;

use super::message::{Heartbeat, Hello, Numbered, ToGateway};
use super::session::PROTOCOL;
use crate::budgets::Words;
use crate::inventory::{
    HardwareDevice, Host, InstalledModel, InstalledVariant, Inventory, InventoryDelta, ModelTask,
    RuntimeLibrary,
};
use crate::sensors::Reading;
use crate::spool::Figures;

/// What the link adds as a message leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The agent's clock.
    pub(super) clock: SystemTime,
    /// What waits for delivery.
    pub(super) spool: Figures,
}

/// One message of the control stream.
pub(super) fn message(numbered: Numbered, now: Now) -> wire::AgentMessage {
    let message = match numbered.message {
        ToGateway::Hello(who) => Message::Hello(hello(who, now)),
        ToGateway::State(inventory) => Message::State(state(*inventory)),
        ToGateway::Delta(part) => Message::Delta(delta(*part)),
        ToGateway::Heartbeat(beat) => Message::Heartbeat(heartbeat(beat, now)),
        ToGateway::Nack { nonce, reason } => Message::Nack(wire::Nack {
            nonce,
            in_use: None,
            reason,
            diagnostics: Vec::new(),
        }),
        ToGateway::Budget(words) => Message::BudgetRequest(budget(words)),
        ToGateway::Goodbye { reason } => Message::Goodbye(wire::Goodbye { reason }),
    };
    wire::AgentMessage {
        sequence: numbered.sequence,
        message: Some(message),
    }
}

fn hello(who: Hello, now: Now) -> wire::Hello {
    let can = [
        wire::Capability::Hints,
        wire::Capability::Drain,
        wire::Capability::BudgetLeases,
    ];
    wire::Hello {
        device_id: who.device_id,
        agent_version: who.agent_version,
        protocol_min: *PROTOCOL.start(),
        protocol_max: *PROTOCOL.end(),
        capabilities: can
            .into_iter()
            .fold(0, |bits, capability| bits | 1 << capability as i32),
        applied: Vec::new(),
        clock: Some(now.clock.into()),
        boot_id: who.boot_id,
    }
}

/// One budget is asked for at a time.
fn budget(words: Words) -> wire::BudgetRequest {
    let ask = words.asks.into_iter().next();
    let newest = ask.as_ref().and_then(|ask| ask.newest);
    let report = |report: &Report| wire::LeaseReport {
        lease: report.lease.0,
        spent_usd_micros: report.spent.get(),
        is_final: report.is_final,
    };
    wire::BudgetRequest {
        budget: ask.map_or_else(String::new, |ask| ask.budget.to_string()),
        newest_lease: newest.map_or(0, |lease| lease.0),
        reports: words.reports.iter().map(report).collect(),
    }
}

fn heartbeat(beat: Heartbeat, now: Now) -> wire::Heartbeat {
    wire::Heartbeat {
        id: beat.id,
        answers: beat.answers.map_or(0, |(id, _)| id),
        held: beat.answers.and_then(|(_, held)| duration(held)),
        spooled: now.spool.waiting,
        dropped_total: now.spool.dropped,
    }
}

fn state(inventory: Inventory) -> wire::DeviceState {
    let Inventory {
        host,
        devices,
        models,
        runtime,
        reading,
    } = inventory;
    delta(InventoryDelta {
        host: Some(host),
        devices: Some(devices),
        models: Some(models),
        runtime,
        reading: Some(reading),
    })
}

fn delta(part: InventoryDelta) -> wire::DeviceState {
    let InventoryDelta {
        host,
        devices,
        models,
        runtime,
        reading,
    } = part;
    let facts = reading.as_ref().map(facts);
    wire::DeviceState {
        host: host.map(encode_host),
        devices: devices.into_iter().flatten().map(device).collect(),
        models: models.into_iter().flatten().map(model).collect(),
        runtime: runtime.map(library),
        facts,
        labels: Default::default(),
    }
}

fn encode_host(host: Host) -> wire::Host {
    let Host {
        hostname,
        os,
        arch,
        cpu,
        logical_cores,
        memory_mib,
        device_class,
    } = host;
    wire::Host {
        hostname,
        os,
        arch,
        cpu,
        logical_cores,
        memory_mib,
        device_class,
    }
}

/// Unknown power is told as decisions take it: on battery, and empty.
fn facts(reading: &Reading) -> policy::DeviceFacts {
    policy::DeviceFacts {
        on_ac_power: reading.on_ac_power.unwrap_or_default(),
        battery_percent: reading.battery_percent.unwrap_or_default().into(),
        device_class: String::new(),
        os: std::env::consts::OS.to_owned(),
        memory_available_mib: reading.memory_available_mib.unwrap_or_default(),
    }
}

fn device(device: HardwareDevice) -> wire::HardwareDevice {
    let HardwareDevice {
        kind,
        vendor,
        name,
        provider,
    } = device;
    wire::HardwareDevice {
        kind,
        vendor,
        name,
        provider,
    }
}

fn library(library: RuntimeLibrary) -> wire::RuntimeLibrary {
    let RuntimeLibrary {
        version,
        path,
        providers,
    } = library;
    wire::RuntimeLibrary {
        version,
        path: path.display().to_string(),
        providers,
    }
}

fn model(model: InstalledModel) -> wire::InstalledModel {
    let task = match model.task {
        ModelTask::Embedding => policy::Task::Embedding,
        ModelTask::Infer => policy::Task::Infer,
        // A model that chats completes, too.
        ModelTask::Chat => policy::Task::Chat,
        ModelTask::Completion => policy::Task::Completion,
    };
    wire::InstalledModel {
        name: model.name,
        task: task.into(),
        variants: model.variants.into_iter().map(variant).collect(),
    }
}

fn variant(variant: InstalledVariant) -> wire::InstalledVariant {
    let share = |share: crate::inventory::NodeShare| wire::NodeShare {
        provider: share.provider,
        share: share.share,
    };
    let speed = |speed: crate::inventory::MeasuredSpeed| wire::MeasuredSpeed {
        provider: speed.provider,
        fixed_seconds: speed.fixed_seconds,
        per_token_seconds: speed.per_token_seconds,
    };
    wire::InstalledVariant {
        name: variant.name,
        precision: variant.precision,
        sha256: variant.sha256.0.to_vec().into(),
        bytes: variant.bytes,
        provider_wanted: variant.provider_wanted,
        provider_serving: variant.provider_serving,
        provider_reason: variant.provider_reason,
        node_shares: variant.node_shares.into_iter().map(share).collect(),
        speeds: variant.speeds.into_iter().map(speed).collect(),
    }
}

/// Nothing for what the wire's type cannot hold, which no duration here is.
fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{Now, message};
    use crate::fleet::message::{Hello, Numbered, ToGateway};
    use crate::spool::Figures;

    fn encoded(message_: ToGateway) -> String {
        let now = Now {
            clock: std::time::UNIX_EPOCH,
            spool: Figures::default(),
        };
        format!(
            "{:?}",
            message(
                Numbered {
                    sequence: 3,
                    message: message_
                },
                now
            )
        )
    }

    #[test]
    fn an_agent_claims_only_what_it_does() {
        let who = Hello {
            device_id: "d".into(),
            agent_version: "1".into(),
            boot_id: "b".into(),
        };
        // Hints are bit 2, drains bit 3, leases bit 6; offers, splits and generation are not claimed.
        assert!(encoded(ToGateway::Hello(who)).contains("capabilities: 76,"));
    }

    #[test]
    fn unknown_power_is_told_as_an_empty_battery() {
        let text = encoded(ToGateway::State(Box::default()));
        assert!(
            text.contains("on_ac_power: false, battery_percent: 0"),
            "{text}"
        );
    }
}
