//! The gateway's answers as JSON, which is what programs get and what tables are made from.

use serde_json::{Map, Value, json};
use tideline_proto::tideline::admin::v1 as admin;
use tideline_proto::tideline::fleet::v1 as fleet;
use tideline_proto::tideline::policy::v1 as policy;
use tideline_proto::tideline::telemetry::v1 as telemetry;

use crate::print::plain;
use crate::time::utc;

/// A device.
pub(crate) fn device(device: &admin::Device) -> Value {
    json!({
        "id": plain(&device.id),
        "connected": device.connected,
        "firstSeen": time(device.first_seen.as_ref()),
        "lastSeen": time(device.last_seen.as_ref()),
        "agentVersion": plain(&device.agent_version),
        "rttSeconds": device.rtt_seconds,
        "outcomes": device.outcomes,
        "outcomesDropped": device.outcomes_dropped,
        "state": device.state.as_ref().map(state),
    })
}

fn state(state: &fleet::DeviceState) -> Value {
    let host = state.host.clone().unwrap_or_default();
    let runtime = state.runtime.as_ref().map(|runtime| {
        json!({ "version": plain(&runtime.version), "path": plain(&runtime.path), "providers": runtime.providers })
    });
    json!({
        "hostname": plain(&host.hostname),
        "os": plain(&host.os),
        "arch": plain(&host.arch),
        "cpu": plain(&host.cpu),
        "logicalCores": host.logical_cores,
        "memoryMib": host.memory_mib,
        "deviceClass": plain(&host.device_class),
        "devices": state.devices.iter().map(hardware).collect::<Vec<_>>(),
        "runtime": runtime,
        "models": state.models.iter().map(model).collect::<Vec<_>>(),
        "facts": state.facts.as_ref().map(device_facts),
    })
}

fn hardware(device: &fleet::HardwareDevice) -> Value {
    json!({ "kind": plain(&device.kind), "vendor": plain(&device.vendor), "name": plain(&device.name), "provider": plain(&device.provider) })
}

fn model(model: &fleet::InstalledModel) -> Value {
    let variants: Vec<_> = model.variants.iter().map(variant).collect();
    json!({ "name": plain(&model.name), "task": task(model.task()), "variants": variants })
}

fn variant(variant: &fleet::InstalledVariant) -> Value {
    let shares: Map<_, _> = variant
        .node_shares
        .iter()
        .map(|share| (plain(&share.provider), json!(share.share)))
        .collect();
    let speeds: Vec<_> = variant
        .speeds
        .iter()
        .map(|speed| json!({ "provider": plain(&speed.provider), "fixedSeconds": speed.fixed_seconds, "perTokenSeconds": speed.per_token_seconds }))
        .collect();
    json!({
        "name": plain(&variant.name),
        "precision": plain(&variant.precision),
        "sha256": hex(&variant.sha256),
        "bytes": variant.bytes,
        "providerWanted": plain(&variant.provider_wanted),
        "providerServing": plain(&variant.provider_serving),
        "providerReason": plain(&variant.provider_reason),
        "nodeShares": shares,
        "speeds": speeds,
    })
}

/// An outcome with its decision.
pub(crate) fn outcome(record: &admin::OutcomeRecord) -> Value {
    let told = record.outcome.clone().unwrap_or_default();
    let decision = told.decision.clone().unwrap_or_default();
    let actual = told.actual.clone().unwrap_or_default();
    json!({
        "deviceId": plain(&record.device_id),
        "storedAt": time(record.stored_at.as_ref()),
        "startedAt": time(told.started_at.as_ref()),
        "requestId": plain(&told.request_id),
        "sequence": told.sequence,
        "ending": ending(told.ending()),
        "errorClass": plain(&told.error_class),
        "failovers": told.failovers,
        "decision": decode_decision(&decision),
        "actual": {
            "latencySeconds": actual.latency_seconds,
            "decisionSeconds": actual.decision_seconds,
            "firstTokenSeconds": actual.time_to_first_token_seconds,
            "promptTokens": actual.prompt_tokens,
            "cachedTokens": actual.cached_tokens,
            "completionTokens": actual.completion_tokens,
            "confidence": actual.confidence,
            "hasEscalated": actual.has_escalated,
            "continuations": actual.continuations,
            "costUsd": actual.cost_usd,
            "energyWattHours": actual.energy_watt_hours,
            "model": plain(&actual.model),
            "variant": plain(&actual.variant),
            "provider": plain(&actual.provider),
        },
    })
}

fn decode_decision(decision: &policy::Decision) -> Value {
    let matched: Vec<_> = decision
        .matched
        .iter()
        .map(|rule| json!({ "name": plain(&rule.name), "effects": rule.effects, "because": plain(&rule.because) }))
        .collect();
    json!({
        "id": plain(&decision.id),
        "reason": plain(&decision.reason),
        "boundary": boundary(decision.boundary()),
        "mode": mode(decision.mode()),
        "policyName": plain(&decision.policy_name),
        "policyHash": plain(&decision.policy_hash),
        "chosen": decision.chosen,
        "table": decision.table.iter().map(verdict).collect::<Vec<_>>(),
        "matched": matched,
        "facts": decision.facts.as_ref().map(facts),
    })
}

fn verdict(verdict: &policy::Verdict) -> Value {
    let candidate = verdict.candidate.clone().unwrap_or_default();
    let prediction = candidate.prediction.unwrap_or_default();
    let site = candidate.site.clone().unwrap_or_default();
    let (score, refused) = match &verdict.result {
        Some(policy::verdict::Result::Admitted(score)) => (
            Some(json!({
                "totalUsd": score.total_usd,
                "costUsd": score.cost_usd,
                "latencyUsd": score.latency_usd,
                "energyUsd": score.energy_usd,
                "errorUsd": score.error_usd,
            })),
            None,
        ),
        Some(policy::verdict::Result::Refused(refusal)) => (
            None,
            Some(json!({ "by": plain(&refusal.by), "why": plain(&refusal.why) })),
        ),
        None => (None, None),
    };
    json!({
        "placement": kind(candidate.kind()),
        "site": plain(&site.name),
        "siteBoundary": boundary(site.boundary()),
        "model": plain(&candidate.model),
        "variant": plain(&candidate.variant),
        "provider": plain(&candidate.provider),
        "predicted": {
            "latencySeconds": prediction.latency_seconds,
            "latencySdSeconds": prediction.latency_sd_seconds,
            "costUsd": prediction.cost_usd,
            "energyWattHours": prediction.energy_watt_hours,
            "errorProbability": prediction.error_probability,
        },
        "score": score,
        "refused": refused,
    })
}

fn facts(facts: &policy::Facts) -> Value {
    let request = facts.request.clone().unwrap_or_default();
    let network = facts.network.unwrap_or_default();
    let user = facts.user.clone().unwrap_or_default();
    let fleet = facts.fleet.clone().unwrap_or_default();
    json!({
        "request": {
            "task": task(request.task()), "tokens": request.tokens, "labels": request.labels,
            "app": plain(&request.app), "model": plain(&request.model), "failedSignals": request.failed_signals,
        },
        "device": facts.device.as_ref().map(device_facts),
        "network": { "online": network.online, "metered": network.metered, "rttMs": network.rtt_ms },
        "user": { "name": plain(&user.name), "groups": user.groups },
        "fleet": { "connected": fleet.connected, "ring": plain(&fleet.ring) },
    })
}

fn device_facts(device: &policy::DeviceFacts) -> Value {
    json!({
        "onAcPower": device.on_ac_power, "batteryPercent": device.battery_percent,
        "class": plain(&device.device_class), "os": plain(&device.os), "memoryAvailableMib": device.memory_available_mib,
    })
}

/// What a gateway ran itself.
pub(crate) fn served(count: &admin::ServedCount) -> Value {
    json!({
        "backend": plain(&count.backend), "model": plain(&count.model), "boundary": boundary(count.boundary()),
        "requests": count.requests, "refused": count.refused,
    })
}

fn time(time: Option<&prost_types::Timestamp>) -> Option<String> {
    time.map(|time| utc(time.seconds))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const fn boundary(boundary: policy::Boundary) -> &'static str {
    match boundary {
        policy::Boundary::Unspecified => "unspecified",
        policy::Boundary::Device => "device",
        policy::Boundary::Private => "private",
        policy::Boundary::Cloud => "cloud",
    }
}

const fn mode(mode: policy::Mode) -> &'static str {
    match mode {
        policy::Mode::Unspecified => "unstated",
        policy::Mode::OnlyOnDevice => "only-on-device",
        policy::Mode::PreferOnDevice => "prefer-on-device",
        policy::Mode::PreferInCloud => "prefer-in-cloud",
        policy::Mode::OnlyInCloud => "only-in-cloud",
    }
}

const fn kind(kind: policy::PlacementKind) -> &'static str {
    match kind {
        policy::PlacementKind::Unspecified => "unspecified",
        policy::PlacementKind::Device => "device",
        policy::PlacementKind::Split => "split",
        policy::PlacementKind::Cloud => "cloud",
        policy::PlacementKind::Cascade => "cascade",
        policy::PlacementKind::Speculative => "speculative",
    }
}

const fn task(task: policy::Task) -> &'static str {
    match task {
        policy::Task::Unspecified => "unspecified",
        policy::Task::Embedding => "embedding",
        policy::Task::Infer => "infer",
        policy::Task::Chat => "chat",
        policy::Task::Completion => "completion",
    }
}

const fn ending(ending: telemetry::Ending) -> &'static str {
    match ending {
        telemetry::Ending::Unspecified => "unspecified",
        telemetry::Ending::Completed => "completed",
        telemetry::Ending::Failed => "failed",
        telemetry::Ending::Abandoned => "abandoned",
        telemetry::Ending::Refused => "refused",
    }
}
