//! What agent and gateway say to each other, in the agent's own words.
//!
//! Plain values, already checked: `decode` makes those that come in, `encode` takes those that go
//! out. Nothing here holds content of requests.

use std::sync::Arc;
use std::time::Duration;

use placement::UsdPerMillionTokens;
use router_policy::Answer;

use crate::budgets::Words;
use crate::inventory::{Inventory, InventoryDelta, ModelTask};

/// One message with its place in the stream, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbered {
    /// Its place.
    pub(crate) sequence: u64,
    /// What is said.
    pub(crate) message: ToGateway,
}

/// What an agent says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ToGateway {
    /// Who it is; the first message.
    Hello(Hello),
    /// Everything about this laptop.
    State(Box<Inventory>),
    /// What changed since the message before.
    Delta(Box<InventoryDelta>),
    /// It is still there.
    Heartbeat(Heartbeat),
    /// An offer is not taken; what was in use stays in use.
    Nack {
        /// Names the offer.
        nonce: u64,
        /// Why not.
        reason: String,
    },
    /// What it spent, and what it would spend.
    Budget(Words),
    /// It leaves on purpose.
    Goodbye {
        /// Why.
        reason: String,
    },
}

/// Who an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The laptop.
    pub(crate) device_id: String,
    /// The agent's version.
    pub(crate) agent_version: String,
    /// Taken anew at each start.
    pub(crate) boot_id: String,
}

/// A sign of life, which also measures the round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    /// Names it.
    pub(crate) id: u64,
    /// The gateway's last heartbeat, and how long ago it arrived.
    pub(crate) answers: Option<(u64, Duration)>,
}

/// What a gateway says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FromGateway {
    /// The stream is accepted.
    Welcome(Welcome),
    /// A policy, model assignment or setting, to be taken or refused.
    Offer(Offer),
    /// What it can serve, for how much and how fast.
    Hints(Hints),
    /// It is still there.
    Heartbeat(GatewayHeartbeat),
    /// It missed something: the whole state, please.
    ResendState,
    /// Come back within this window.
    Backoff(Window),
    /// Move to another gateway within this time.
    Drain(Duration),
    /// This stream will not be served; final without a window.
    Refused {
        /// Why.
        reason: String,
        /// When to come back.
        retry: Option<Window>,
    },
    /// What may be spent of a budget.
    Budget(Arc<str>, Answer),
    /// Something that this agent did not say it can handle; ignored.
    Unasked(&'static str),
}

/// How a gateway accepts a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    /// The gateway.
    pub(crate) gateway_id: String,
    /// Its version.
    pub(crate) gateway_version: String,
    /// The protocol version to speak.
    pub(crate) protocol: u32,
    /// How often each side says that it is there.
    pub(crate) heartbeat_interval: Duration,
}

/// A resource that the gateway would like this agent to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Names it, on this stream.
    pub(crate) nonce: u64,
    /// What kind of resource it is.
    pub(crate) kind: &'static str,
}

/// A gateway's sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GatewayHeartbeat {
    /// Names it.
    pub(crate) id: u64,
    /// The agent's heartbeat that it answers, and how long the gateway held that.
    pub(crate) answers: Option<(u64, Duration)>,
}

/// When to come back: a time drawn from between these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Not before.
    pub(crate) at_least: Duration,
    /// Not after.
    pub(crate) at_most: Duration,
    /// Why.
    pub(crate) reason: String,
}

/// What the gateway can serve. The last one wins; without another it expires.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hints {
    /// How long to believe them.
    pub(crate) time_to_live: Duration,
    /// One for each model and site.
    pub(crate) backends: Vec<BackendHint>,
}

/// One model that a site can serve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackendHint {
    /// Where.
    pub(crate) site: Site,
    /// The model.
    pub(crate) model: String,
    /// What it does.
    pub(crate) task: ModelTask,
    /// The build of it.
    pub(crate) variant: String,
    /// What runs it.
    pub(crate) provider: String,
    /// Nothing when unknown.
    pub(crate) price: Option<UsdPerMillionTokens>,
    /// Seconds at the site, without the network, for every request.
    pub(crate) fixed_seconds: f64,
    /// Seconds at the site for each token more.
    pub(crate) per_token_seconds: f64,
    /// Seconds for each token of a generated answer.
    pub(crate) per_answer_token_seconds: f64,
    /// How often its answer is wrong, 0 to 1.
    pub(crate) error_probability: f64,
    /// Why it cannot serve now.
    pub(crate) unavailable: Option<String>,
}

/// A place beyond this laptop where work can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Its name.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) boundary: SiteBoundary,
}

/// Whose a site is. There is no third: nothing that a gateway says can make a place beyond the
/// laptop count as the laptop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteBoundary {
    /// The laptop's owner runs it.
    Private,
    /// Anybody.
    Cloud,
}
