//! What the gateway says, as it looks on the wire. One way only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use inference_api::{Boundary, TaskKind};
use tideline_proto::tideline::fleet::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;
use wire::gateway_message::Message;

use router_policy::Answer;

use super::session::{Beat, ComeBack, ToAgent};
use crate::backends::Site;
use crate::hints::{BackendHint, Hints, TIME_TO_LIVE};

/// Who speaks.
#[derive(Debug)]
pub(super) struct Speaker<'s> {
    pub(super) gateway_id: &'s str,
    pub(super) hints: &'s Hints,
    pub(super) clock: SystemTime,
}

/// One message of the control stream.
pub(super) fn message(said: ToAgent, speaker: &Speaker<'_>) -> wire::GatewayMessage {
    let message = match said {
        ToAgent::Welcome {
            protocol,
            heartbeat,
        } => Message::Welcome(wire::Welcome {
            gateway_id: speaker.gateway_id.to_owned(),
            gateway_version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol,
            capabilities: 1 << wire::Capability::Hints as i32
                | 1 << wire::Capability::Drain as i32
                | 1 << wire::Capability::BudgetLeases as i32,
            heartbeat_interval: duration(heartbeat),
            clock: Some(speaker.clock.into()),
            site: Some(site(&speaker.hints.site)),
        }),
        ToAgent::Hints => Message::Hints(hints(speaker.hints)),
        ToAgent::Heartbeat(Beat { id, answers }) => Message::Heartbeat(wire::Heartbeat {
            id,
            answers: answers.map_or(0, |(id, _)| id),
            held: answers.and_then(|(_, held)| duration(held)),
            spooled: 0,
            dropped_total: 0,
        }),
        ToAgent::Budget(budget, answer) => Message::BudgetLease(lease(&budget, answer)),
        ToAgent::ResendState => Message::ResendState(wire::ResendState {}),
        ToAgent::Refused { why, retry } => Message::Refused(wire::Refused {
            reason: why,
            retry: retry.map(come_back),
        }),
        ToAgent::Drain(within) => Message::Drain(wire::Drain {
            to: Vec::new(),
            within: duration(within),
        }),
    };
    wire::GatewayMessage {
        message: Some(message),
    }
}

fn lease(budget: &str, answer: Answer) -> wire::BudgetLease {
    match answer {
        Answer::Spent => wire::BudgetLease {
            budget: budget.to_owned(),
            spent: true,
            ..wire::BudgetLease::default()
        },
        Answer::Lease(lease) => {
            let expires_at = UNIX_EPOCH + Duration::from_millis(lease.expires_at_ms);
            wire::BudgetLease {
                budget: budget.to_owned(),
                spent: false,
                lease: lease.id.0,
                amount_usd_micros: lease.amount.get(),
                expires_at: Some(expires_at.into()),
            }
        }
    }
}

fn hints(hints: &Hints) -> wire::Hints {
    wire::Hints {
        time_to_live: duration(TIME_TO_LIVE),
        backends: hints.backends.iter().map(encode_backend).collect(),
        estimates: Vec::new(),
    }
}

fn encode_backend(backend: &BackendHint) -> wire::BackendHint {
    let task = match backend.task {
        TaskKind::Embedding => policy::Task::Embedding,
        TaskKind::Infer => policy::Task::Infer,
        TaskKind::Chat => policy::Task::Chat,
        TaskKind::Completion => policy::Task::Completion,
    };
    wire::BackendHint {
        site: Some(site(&backend.site)),
        model: backend.model.clone(),
        task: task.into(),
        variant: backend.variant.clone(),
        provider: backend.provider.clone(),
        usd_per_million_tokens: backend.price.map(|price| price.prompt),
        usd_per_million_answer_tokens: backend.price.map(|price| price.answer),
        fixed_seconds: backend.speed.fixed_seconds,
        per_token_seconds: backend.speed.per_token_seconds,
        per_answer_token_seconds: backend.speed.per_answer_token_seconds,
        error_probability: backend.p_error,
        unavailable: backend.unavailable.clone().unwrap_or_default(),
    }
}

fn site(site: &Site) -> policy::Site {
    let boundary = match site.boundary {
        Boundary::Device => policy::Boundary::Device,
        Boundary::Private => policy::Boundary::Private,
        Boundary::Cloud => policy::Boundary::Cloud,
    };
    policy::Site {
        name: site.name.clone(),
        boundary: boundary.into(),
    }
}

fn come_back(window: ComeBack) -> wire::Backoff {
    wire::Backoff {
        at_least: duration(window.at_least),
        at_most: duration(window.at_most),
        reason: String::new(),
    }
}

fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}
