//! What a gateway says, from the wire into values that cannot be wrong. One way only.
//!
//! Everything is bounded and checked here: numbers are finite, texts short, lists short, and no
//! site beyond this laptop counts as the laptop. What a newer gateway says beyond this is let pass.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use placement::UsdPerMillionTokens;
use router_policy::{Answer, Lease, LeaseId, Micros};
use thiserror::Error;
use tideline_proto::tideline::fleet::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;
use wire::gateway_message::Message;

use super::message::{
    BackendHint, FromGateway, GatewayHeartbeat, Hints, Offer, Site, SiteBoundary, Welcome, Window,
};
use crate::inventory::ModelTask;

/// The longest text that is kept, in characters.
const MAX_TEXT: usize = 256;
/// Most backends in one message of hints.
const MAX_BACKENDS: usize = 1024;

/// A word of the gateway that makes no sense.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the gateway's {what} {problem}")]
pub(super) struct Nonsense {
    what: &'static str,
    problem: &'static str,
}

/// One message, and the hints in it that were passed over.
pub(super) fn message(
    message: wire::GatewayMessage,
) -> Result<(FromGateway, Vec<Nonsense>), Nonsense> {
    let Some(message) = message.message else {
        return Ok((
            FromGateway::Unasked("a message of a kind that is not known here"),
            Vec::new(),
        ));
    };
    let decoded = match message {
        Message::Welcome(welcome) => FromGateway::Welcome(decode_welcome(welcome)?),
        Message::Offer(offer) => FromGateway::Offer(decode_offer(&offer)),
        Message::Hints(told) => {
            return hints(told).map(|(hints, bad)| (FromGateway::Hints(hints), bad));
        }
        Message::Heartbeat(beat) => FromGateway::Heartbeat(heartbeat(beat)?),
        Message::ResendState(_) => FromGateway::ResendState,
        Message::Backoff(backoff) => FromGateway::Backoff(window(backoff)?),
        Message::Drain(drain) => FromGateway::Drain(duration("drain time", drain.within)?),
        Message::BudgetLease(told) => lease(told)?,
        Message::Refused(refused) => FromGateway::Refused {
            reason: text(refused.reason),
            retry: refused.retry.map(window).transpose()?,
        },
    };
    Ok((decoded, Vec::new()))
}

fn lease(told: wire::BudgetLease) -> Result<FromGateway, Nonsense> {
    let budget: Arc<str> = text(told.budget).into();
    if told.spent {
        return Ok(FromGateway::Budget(budget, Answer::Spent));
    }
    let nonsense = Nonsense {
        what: "lease of a budget",
        problem: "has no end",
    };
    let end = told.expires_at.and_then(|at| SystemTime::try_from(at).ok());
    let end = end
        .and_then(|end| end.duration_since(UNIX_EPOCH).ok())
        .ok_or(nonsense)?;
    let lease = Lease {
        id: LeaseId(told.lease),
        budget: budget.clone(),
        amount: Micros::new(told.amount_usd_micros),
        expires_at_ms: u64::try_from(end.as_millis()).unwrap_or(u64::MAX),
    };
    Ok(FromGateway::Budget(budget, Answer::Lease(lease)))
}

fn decode_welcome(welcome: wire::Welcome) -> Result<Welcome, Nonsense> {
    Ok(Welcome {
        gateway_id: text(welcome.gateway_id),
        gateway_version: text(welcome.gateway_version),
        protocol: welcome.protocol,
        heartbeat_interval: duration("heartbeat interval", welcome.heartbeat_interval)?,
    })
}

fn decode_offer(offer: &wire::Offer) -> Offer {
    let kind = match offer.r#type() {
        wire::ResourceType::Unspecified => "resource of an unknown kind",
        wire::ResourceType::Trust => "trust",
        wire::ResourceType::Models => "models",
        wire::ResourceType::Policy => "policy",
        wire::ResourceType::Settings => "settings",
    };
    Offer {
        nonce: offer.nonce,
        kind,
    }
}

fn heartbeat(beat: wire::Heartbeat) -> Result<GatewayHeartbeat, Nonsense> {
    let answers = match beat.answers {
        0 => None,
        id => Some((id, duration("time of holding a heartbeat", beat.held)?)),
    };
    Ok(GatewayHeartbeat {
        id: beat.id,
        answers,
    })
}

fn window(backoff: wire::Backoff) -> Result<Window, Nonsense> {
    Ok(Window {
        at_least: duration("time to come back", backoff.at_least)?,
        at_most: duration("time to come back", backoff.at_most)?,
        reason: text(backoff.reason),
    })
}

/// Hints that make no sense are passed over: the others are still of use.
fn hints(told: wire::Hints) -> Result<(Hints, Vec<Nonsense>), Nonsense> {
    let time_to_live = duration("hints' time to live", told.time_to_live)?;
    let mut passed_over = Vec::new();
    let mut backends = Vec::new();
    if told.backends.len() > MAX_BACKENDS {
        passed_over.push(nonsense("list of hints", "is longer than 1024"));
    }
    for hint in told.backends.into_iter().take(MAX_BACKENDS) {
        match backend(hint) {
            Ok(hint) => backends.push(hint),
            Err(problem) => passed_over.push(problem),
        }
    }
    Ok((
        Hints {
            time_to_live,
            backends,
        },
        passed_over,
    ))
}

fn backend(hint: wire::BackendHint) -> Result<BackendHint, Nonsense> {
    let task = match hint.task() {
        policy::Task::Embedding => ModelTask::Embedding,
        policy::Task::Infer => ModelTask::Infer,
        policy::Task::Chat => ModelTask::Chat,
        policy::Task::Completion => ModelTask::Completion,
        policy::Task::Unspecified => {
            return Err(nonsense(
                "hint",
                "is for a task that this agent does not know",
            ));
        }
    };
    Ok(BackendHint {
        site: site(hint.site.unwrap_or_default())?,
        model: name("hint's model", hint.model)?,
        task,
        variant: text(hint.variant),
        provider: text(hint.provider),
        price: price(
            hint.usd_per_million_tokens,
            hint.usd_per_million_answer_tokens,
        )?,
        fixed_seconds: amount(hint.fixed_seconds)?,
        per_token_seconds: amount(hint.per_token_seconds)?,
        per_answer_token_seconds: amount(hint.per_answer_token_seconds)?,
        error_probability: amount(hint.error_probability)?.min(1.0),
        unavailable: Some(text(hint.unavailable)).filter(|reason| !reason.is_empty()),
    })
}

/// What tokens cost. Those of an answer cost what the others do where nothing else is said.
fn price(
    prompt: Option<f64>,
    answer: Option<f64>,
) -> Result<Option<UsdPerMillionTokens>, Nonsense> {
    let prompt = prompt.map(amount).transpose()?;
    let answer = answer.map(amount).transpose()?;
    Ok(UsdPerMillionTokens::told(prompt, answer))
}

/// A site beyond this laptop. One that claims to be the laptop, or does not say whose it is, would
/// let content out that must stay: there is no such site.
fn site(site: policy::Site) -> Result<Site, Nonsense> {
    let boundary = match site.boundary() {
        policy::Boundary::Private => SiteBoundary::Private,
        policy::Boundary::Cloud => SiteBoundary::Cloud,
        policy::Boundary::Unspecified | policy::Boundary::Device => {
            return Err(nonsense("site", "is neither private nor cloud"));
        }
    };
    Ok(Site {
        name: name("site's name", site.name)?,
        boundary,
    })
}

fn name(what: &'static str, name: String) -> Result<String, Nonsense> {
    if (1..=MAX_TEXT).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(name);
    }
    Err(nonsense(what, "is not 1 to 256 visible ASCII characters"))
}

/// A text for people: its first characters, without control characters.
fn text(text: String) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_TEXT)
        .collect()
}

fn amount(amount: f64) -> Result<f64, Nonsense> {
    if amount.is_finite() && amount >= 0.0 {
        return Ok(amount);
    }
    Err(nonsense(
        "hint",
        "holds a number that is negative or not finite",
    ))
}

fn duration(
    what: &'static str,
    duration: Option<prost_types::Duration>,
) -> Result<Duration, Nonsense> {
    duration
        .unwrap_or_default()
        .try_into()
        .or(Err(nonsense(what, "is negative")))
}

fn nonsense(what: &'static str, problem: &'static str) -> Nonsense {
    Nonsense { what, problem }
}

#[cfg(test)]
mod tests;
