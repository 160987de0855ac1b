//! What the gateway and plug-ins' callers tell of a decision, as the policy engine takes it. What is
//! not said is the narrowest.

use std::sync::Arc;
use std::time::SystemTime;

use router_policy::{
    Availability, Boundary, Candidate, DeviceFacts, Facts, FleetFacts, Label, Mode, NetworkFacts,
    PlacementKind, Prediction, Probability, Record, RequestFacts, Seconds, SignalName, Site,
    SlowFacts, Tokens, Usd, UserFacts, WattHours,
};
use tideline_proto::tideline::admin::v1 as admin;
use tideline_proto::tideline::policy::v1 as wire;

use crate::print::plain;

/// A request that was recorded.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Its decision's id.
    pub(super) id: String,
    /// Of the policy that decided, in hexadecimal.
    pub(super) policy_hash: String,
    pub(super) started_at: Option<SystemTime>,
    /// What it takes to decide it again, if that was recorded, and which candidate was chosen.
    pub(super) decided: Option<(Record, Option<usize>)>,
}

/// What the gateway keeps of a request.
pub(crate) fn recorded(outcome: &admin::OutcomeRecord) -> Recorded {
    let Some(told) = &outcome.outcome else {
        return Recorded::default();
    };
    let Some(decision) = &told.decision else {
        return Recorded::default();
    };
    let chosen = decision.chosen.and_then(|at| usize::try_from(at).ok());
    Recorded {
        id: plain(&decision.id),
        policy_hash: decision.policy_hash.clone(),
        started_at: told.started_at.and_then(|at| SystemTime::try_from(at).ok()),
        decided: record(decision).map(|record| (record, chosen)),
    }
}

/// A decision as it was recorded, to be decided again. `None` when it was recorded without its facts.
fn record(decision: &wire::Decision) -> Option<Record> {
    let rows = decision.table.iter();
    let candidates: Option<Vec<Candidate>> =
        rows.map(|row| candidate(row.candidate.as_ref()?)).collect();
    Some(Record {
        facts: facts(decision.facts.as_ref()?),
        mode: mode(decision.mode()),
        boundary: boundary(decision.asked_boundary()),
        candidates: candidates?,
    })
}

/// A question to a plug-in.
pub(super) fn question(request: &wire::DecideRequest) -> Option<Record> {
    let candidates: Option<Vec<Candidate>> = request.candidates.iter().map(candidate).collect();
    Some(Record {
        facts: facts(request.facts.as_ref()?),
        mode: mode(request.mode()),
        boundary: boundary(request.boundary()),
        candidates: candidates?,
    })
}

fn facts(told: &wire::Facts) -> Facts {
    let request = told.request.clone().unwrap_or_default();
    let device = told.device.clone().unwrap_or_default();
    let network = told.network.unwrap_or_default();
    let user = told.user.clone().unwrap_or_default();
    let fleet = told.fleet.clone().unwrap_or_default();
    Facts {
        request: RequestFacts {
            task: task(request.task()).into(),
            tokens: Tokens::new(request.tokens),
            labels: request
                .labels
                .iter()
                .map(|label| Label::new(label))
                .collect(),
            app: request.app.into(),
            model: request.model.into(),
            failed_signals: request
                .failed_signals
                .iter()
                .map(|name| SignalName::new(name))
                .collect(),
        },
        slow: SlowFacts {
            device: DeviceFacts {
                on_ac_power: device.on_ac_power,
                battery_percent: device.battery_percent,
                class: device.device_class.into(),
                os: device.os.into(),
                memory_available_mib: device.memory_available_mib,
            },
            network: NetworkFacts {
                online: network.online,
                metered: network.metered,
                rtt_ms: if network.rtt_ms.is_finite() {
                    network.rtt_ms
                } else {
                    f64::MAX
                },
            },
            user: UserFacts {
                name: user.name.into(),
                groups: texts(user.groups),
            },
            fleet: FleetFacts {
                connected: fleet.connected,
                ring: fleet.ring.into(),
                spent_budgets: texts(fleet.spent_budgets),
            },
        },
    }
}

fn candidate(told: &wire::Candidate) -> Option<Candidate> {
    let site = told.site.as_ref()?;
    let prediction = told.prediction.unwrap_or_default();
    Some(Candidate {
        kind: kind(told.kind())?,
        site: Site {
            name: site.name.as_str().into(),
            // A site of which nothing is known is as far away as can be.
            boundary: match site.boundary() {
                wire::Boundary::Device => Boundary::Device,
                wire::Boundary::Private => Boundary::Private,
                wire::Boundary::Cloud | wire::Boundary::Unspecified => Boundary::Cloud,
            },
        },
        model: told.model.as_str().into(),
        variant: told.variant.as_str().into(),
        provider: told.provider.as_str().into(),
        prediction: Prediction {
            latency: Seconds::clamped(prediction.latency_seconds),
            latency_sd: Seconds::clamped(prediction.latency_sd_seconds),
            cost: prediction.cost_usd.and_then(Usd::new),
            energy: WattHours::clamped(prediction.energy_watt_hours),
            p_error: Probability::new(prediction.error_probability),
        },
        availability: if told.unavailable.is_empty() {
            Availability::Ready
        } else {
            Availability::Unavailable(told.unavailable.as_str().into())
        },
        redacts: told.redacts,
    })
}

fn texts(texts: Vec<String>) -> Vec<Arc<str>> {
    texts.into_iter().map(Into::into).collect()
}

/// What is not said is the narrowest.
const fn boundary(told: wire::Boundary) -> Boundary {
    match told {
        wire::Boundary::Device | wire::Boundary::Unspecified => Boundary::Device,
        wire::Boundary::Private => Boundary::Private,
        wire::Boundary::Cloud => Boundary::Cloud,
    }
}

const fn kind(told: wire::PlacementKind) -> Option<PlacementKind> {
    match told {
        wire::PlacementKind::Device => Some(PlacementKind::Device),
        wire::PlacementKind::Split => Some(PlacementKind::Split),
        wire::PlacementKind::Cloud => Some(PlacementKind::Cloud),
        wire::PlacementKind::Cascade => Some(PlacementKind::Cascade),
        wire::PlacementKind::Unspecified | wire::PlacementKind::Speculative => None,
    }
}

const fn mode(told: wire::Mode) -> Mode {
    match told {
        wire::Mode::Unspecified => Mode::Unstated,
        wire::Mode::OnlyOnDevice => Mode::OnlyOnDevice,
        wire::Mode::PreferOnDevice => Mode::PreferOnDevice,
        wire::Mode::PreferInCloud => Mode::PreferInCloud,
        wire::Mode::OnlyInCloud => Mode::OnlyInCloud,
    }
}

const fn task(told: wire::Task) -> &'static str {
    match told {
        wire::Task::Embedding => "embedding",
        wire::Task::Infer => "infer",
        wire::Task::Chat => "chat",
        wire::Task::Completion => "completion",
        wire::Task::Unspecified => "",
    }
}
