//! Outcomes as the gateway is told of them: what was decided, why, and what really happened. One
//! way only, and never any content.

use std::sync::Arc;

use placement::{Decided, Outcome, OutcomeEnding};
use prost::Message as _;
use router_policy::{
    Availability, Boundary, Candidate, Cause, Decision, MatchedRule, Mode, PlacementKind, Row,
    Score, Verdict,
};
use tideline_proto::tideline::policy::v1 as policy;
use tideline_proto::tideline::telemetry::v1 as wire;

use crate::spool::Record;

/// An outcome as the spool keeps it; it gets its number when it is sent.
pub(super) fn outcome(outcome: &Outcome) -> Vec<u8> {
    let (ending, error_class) = match outcome.ending {
        OutcomeEnding::Completed => (wire::Ending::Completed, ""),
        OutcomeEnding::Failed(kind) => (wire::Ending::Failed, kind.code()),
        OutcomeEnding::Abandoned => (wire::Ending::Abandoned, ""),
        OutcomeEnding::Refused(kind) => (wire::Ending::Refused, kind.code()),
    };
    wire::Outcome {
        sequence: 0,
        request_id: outcome.request.to_string(),
        started_at: Some(outcome.started_at.into()),
        decision: Some(decision(&outcome.decided)),
        ending: ending.into(),
        error_class: error_class.to_owned(),
        actual: Some(actual(outcome)),
        failovers: outcome.journey.failovers,
    }
    .encode_to_vec()
}

/// Outcomes of the spool, numbered.
pub(super) fn batch(
    device_id: &str,
    spool_id: &str,
    records: &[Record],
    dropped_total: u64,
) -> wire::OutcomeBatch {
    let numbered = |record: &Record| {
        // What this version did not write it may not be able to read. The number still goes out,
        // so that the gateway sees no gap.
        let outcome = wire::Outcome::decode(record.payload.as_slice()).unwrap_or_else(|error| {
            tracing::error!(sequence = record.sequence, %error, "an outcome in the spool cannot be read");
            wire::Outcome::default()
        });
        wire::Outcome {
            sequence: record.sequence,
            ..outcome
        }
    };
    wire::OutcomeBatch {
        device_id: device_id.to_owned(),
        spool_id: spool_id.to_owned(),
        outcomes: records.iter().map(numbered).collect(),
        dropped_total,
    }
}

fn actual(outcome: &Outcome) -> wire::Actual {
    let served = outcome.served.as_ref();
    let journey = &outcome.journey;
    let text = |of: fn(&Candidate) -> &str| {
        served.map_or_else(String::new, |candidate| of(candidate).to_owned())
    };
    wire::Actual {
        latency_seconds: outcome.actual.latency.as_secs_f64(),
        time_to_first_token_seconds: journey.first_token.map(|took| took.as_secs_f64()),
        prompt_tokens: outcome.actual.prompt_tokens.get(),
        completion_tokens: outcome.actual.completion_tokens.get(),
        cached_tokens: outcome.actual.cached_tokens.get(),
        cost_usd: outcome.actual.cost.map(router_policy::Usd::get),
        energy_watt_hours: Some(outcome.actual.energy.get()),
        confidence: journey.confidence.map(router_policy::Probability::get),
        has_escalated: journey.has_escalated,
        continuations: journey.continuations,
        decision_seconds: outcome.actual.decision_time.as_secs_f64(),
        model: text(|candidate| &candidate.model),
        variant: text(|candidate| &candidate.variant),
        provider: text(|candidate| &candidate.provider),
    }
}

fn decision(decided: &Decided) -> policy::Decision {
    let decision = &decided.decision;
    let rows = decision.table().enumerate();
    policy::Decision {
        id: decided.id.to_string(),
        boundary: boundary(decision.boundary()).into(),
        chosen: decision
            .chosen()
            .ok()
            .and_then(|index| u32::try_from(index).ok()),
        table: rows
            .map(|(index, found)| row(decision, index, found))
            .collect(),
        matched: decision.matched().into_iter().map(matched).collect(),
        policy_name: decision.policy().name().to_owned(),
        policy_hash: decision.policy_hash().to_hex(),
        reason: decision.reason(),
        facts: Some(facts(decision)),
        mode: mode(decision.mode()).into(),
        asked_boundary: boundary(decision.asked_boundary()).into(),
        budgets: decision.budgets().iter().map(ToString::to_string).collect(),
    }
}

fn row(decision: &Decision, index: usize, row: Row<'_>) -> policy::Verdict {
    let refused = match row.verdict {
        Verdict::Refused(cause) => Some(refusal(decision, row.candidate, cause)),
        Verdict::Admitted { .. } | Verdict::Avoided { .. } => None,
    };
    let avoided_by = match row.verdict {
        Verdict::Avoided { by, .. } => decision.rule_name(by).to_owned(),
        Verdict::Admitted { .. } | Verdict::Refused(_) => String::new(),
    };
    let score = decision.score(index);
    let admitted = score.map(|score| policy::verdict::Result::Admitted(encode_score(&score)));
    policy::Verdict {
        candidate: Some(candidate(row.candidate)),
        result: admitted.or(refused.map(policy::verdict::Result::Refused)),
        avoided_by,
    }
}

fn encode_score(score: &Score) -> policy::Score {
    policy::Score {
        total_usd: score.total_usd,
        cost_usd: score.cost_usd,
        latency_usd: score.latency_usd,
        energy_usd: score.energy_usd,
        error_usd: score.error_usd,
    }
}

fn refusal(decision: &Decision, candidate: &Candidate, cause: Cause) -> policy::Refusal {
    let why = match (cause, &candidate.availability) {
        (Cause::Unavailable, Availability::Unavailable(why)) => why.to_string(),
        _ => decision.cause(cause),
    };
    let by = match cause {
        Cause::Rule(id) | Cause::Redaction(id) => format!("rule {}", decision.rule_name(id)),
        Cause::Default => "default".to_owned(),
        Cause::OnError => "onError".to_owned(),
        Cause::Request => "request".to_owned(),
        Cause::Mode => "mode".to_owned(),
        Cause::NoCascade => "cascade".to_owned(),
        Cause::PlugIn => "plug-in".to_owned(),
        Cause::Unavailable => "unavailable".to_owned(),
    };
    policy::Refusal { by, why }
}

pub(crate) fn candidate(candidate: &Candidate) -> policy::Candidate {
    let prediction = &candidate.prediction;
    let unavailable = match &candidate.availability {
        Availability::Ready => String::new(),
        Availability::Unavailable(why) => why.to_string(),
    };
    policy::Candidate {
        kind: kind(candidate.kind).into(),
        site: Some(policy::Site {
            name: candidate.site.name.to_string(),
            boundary: boundary(candidate.site.boundary).into(),
        }),
        model: candidate.model.to_string(),
        variant: candidate.variant.to_string(),
        provider: candidate.provider.to_string(),
        prediction: Some(policy::Prediction {
            latency_seconds: prediction.latency.get(),
            latency_sd_seconds: prediction.latency_sd.get(),
            cost_usd: prediction.cost.map(router_policy::Usd::get),
            energy_watt_hours: prediction.energy.get(),
            error_probability: prediction.p_error.get(),
        }),
        unavailable,
        redacts: candidate.redacts,
    }
}

fn matched(rule: MatchedRule) -> policy::MatchedRule {
    policy::MatchedRule {
        name: rule.name.to_string(),
        effects: rule.effects,
        because: rule.because.join(", "),
    }
}

pub(crate) fn facts(decision: &Decision) -> policy::Facts {
    let (request, slow) = (decision.request(), decision.slow());
    policy::Facts {
        request: Some(policy::RequestFacts {
            task: task(&request.task).into(),
            tokens: request.tokens.get(),
            labels: request
                .labels
                .iter()
                .map(|label| label.as_str().to_owned())
                .collect(),
            app: request.app.to_string(),
            model: request.model.to_string(),
            failed_signals: request
                .failed_signals
                .iter()
                .map(|name| name.as_str().to_owned())
                .collect(),
        }),
        device: Some(policy::DeviceFacts {
            on_ac_power: slow.device.on_ac_power,
            battery_percent: slow.device.battery_percent,
            device_class: slow.device.class.to_string(),
            os: slow.device.os.to_string(),
            memory_available_mib: slow.device.memory_available_mib,
        }),
        network: Some(policy::NetworkFacts {
            online: slow.network.online,
            metered: slow.network.metered,
            rtt_ms: slow.network.rtt_ms,
        }),
        user: Some(policy::UserFacts {
            name: slow.user.name.to_string(),
            groups: texts(&slow.user.groups),
        }),
        fleet: Some(policy::FleetFacts {
            connected: slow.fleet.connected,
            ring: slow.fleet.ring.to_string(),
            spent_budgets: texts(&slow.fleet.spent_budgets),
        }),
    }
}

fn texts(texts: &[Arc<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn task(name: &str) -> policy::Task {
    match name {
        "embedding" => policy::Task::Embedding,
        "infer" => policy::Task::Infer,
        "chat" => policy::Task::Chat,
        "completion" => policy::Task::Completion,
        _ => policy::Task::Unspecified,
    }
}

pub(crate) fn boundary(boundary: Boundary) -> policy::Boundary {
    match boundary {
        Boundary::Device => policy::Boundary::Device,
        Boundary::Private => policy::Boundary::Private,
        Boundary::Cloud => policy::Boundary::Cloud,
    }
}

fn kind(kind: PlacementKind) -> policy::PlacementKind {
    match kind {
        PlacementKind::Device => policy::PlacementKind::Device,
        PlacementKind::Split => policy::PlacementKind::Split,
        PlacementKind::Cloud => policy::PlacementKind::Cloud,
        PlacementKind::Cascade => policy::PlacementKind::Cascade,
    }
}

pub(crate) fn mode(mode: Mode) -> policy::Mode {
    match mode {
        Mode::Unstated => policy::Mode::Unspecified,
        Mode::OnlyOnDevice => policy::Mode::OnlyOnDevice,
        Mode::PreferOnDevice => policy::Mode::PreferOnDevice,
        Mode::PreferInCloud => policy::Mode::PreferInCloud,
        Mode::OnlyInCloud => policy::Mode::OnlyInCloud,
    }
}
