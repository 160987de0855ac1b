//! Every metric of the agent: its name, unit and labels stand here alone, and one function tells an
//! event to the log and to its counter, so that the two cannot drift.
//!
//! Labels come from closed sets or from the configured models. Never a device, user or request id,
//! and never content.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use placement::{Believed, Journey, Outcome, OutcomeEnding};
use router_policy::Policy;

use crate::fleet::LinkStatus;
use crate::spool::Figures;

/// Requests decided, by `task`, `placement` (`none` when nothing served), `model` and `ending`.
const REQUESTS: &str = "tideline_agent_requests_total";
/// Seconds from a parsed request to the end of its answer, by `placement` and `model`.
const REQUEST_SECONDS: &str = "tideline_agent_request_seconds";
/// Seconds from a parsed request to its decision, signals included.
const DECISION_SECONDS: &str = "tideline_agent_decision_seconds";
/// Seconds between the predicted latency and the actual one, by `placement` and `model`.
const PREDICTION_ERROR_SECONDS: &str = "tideline_agent_prediction_error_seconds";
/// Tokens that went in, by `placement`.
const PROMPT_TOKENS: &str = "tideline_agent_prompt_tokens_total";
/// US dollars that a request cost, where the price is known, by `placement`; the sum is the spend.
const COST_USD: &str = "tideline_agent_request_cost_usd";
/// Placements tried in vain before one served.
const FAILOVERS: &str = "tideline_agent_failovers_total";
/// Outcomes that could not be written to the spool.
const UNRECORDED: &str = "tideline_agent_outcomes_unrecorded_total";
/// Outcomes that the gateway has stored.
const DELIVERED: &str = "tideline_agent_outcomes_delivered_total";
/// Attempts to deliver outcomes that failed.
const DELIVERY_FAILURES: &str = "tideline_agent_delivery_failures_total";
/// Outcomes that wait for the gateway.
const SPOOL_WAITING: &str = "tideline_agent_spool_waiting";
/// Outcomes lost for want of room or time, since the spool began.
const SPOOL_DROPPED: &str = "tideline_agent_spool_dropped_total";
/// Bytes of the spool.
const SPOOL_BYTES: &str = "tideline_agent_spool_bytes";
/// Configured models that did not load.
const MODEL_FAILURES: &str = "tideline_agent_model_failures_total";
/// 1 while the gateway is attached.
const POLICY_RELOADS: &str = "tideline_policy_reloads_total";
const GATEWAY_ATTACHED: &str = "tideline_agent_gateway_attached";
/// The last measured round trip to the gateway.
const GATEWAY_RTT_SECONDS: &str = "tideline_agent_gateway_rtt_seconds";
/// Answers that went on elsewhere after they had begun.
const CONTINUATIONS: &str = "tideline_agent_continuations_total";
/// How far the confidence in a model's answers was off, by `model`, `variant` and `provider`.
const CONFIDENCE_ERROR: &str = "tideline_agent_confidence_error_ratio";
/// Answers that a cascade weighed, by `escalated`.
const CASCADES: &str = "tideline_agent_cascades_total";
/// Times that the gateway was lost.
const GATEWAY_LOST: &str = "tideline_agent_gateway_lost_total";

/// From a decision's tens of microseconds to a slow answer's minute.
const SECONDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
    5.0, 20.0, 60.0,
];

/// From a millionth of a dollar to a dime.
const DOLLARS: [f64; 6] = [0.000_001, 0.000_01, 0.000_1, 0.001, 0.01, 0.1];

/// The process's metrics.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// The metrics of this process; the first call makes them.
    #[must_use]
    pub(crate) fn of_process() -> Self {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        METRICS.get_or_init(Self::install).clone()
    }

    fn install() -> Self {
        let seconds = Matcher::Suffix("_seconds".into());
        let dollars = Matcher::Suffix("_usd".into());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(seconds, &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(dollars, &DOLLARS))
            // Only an empty list of buckets is refused.
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder of metrics is in place; /metrics stays empty");
        }
        describe();
        Self(handle)
    }

    /// All of them, as Prometheus reads them.
    #[must_use]
    pub(crate) fn render(&self, spool: Figures) -> String {
        gauge!(SPOOL_WAITING).set(count(spool.waiting));
        gauge!(SPOOL_BYTES).set(count(spool.bytes));
        counter!(SPOOL_DROPPED).absolute(spool.dropped);
        self.0.render()
    }

    /// Folds what histograms gathered. Called now and then, so that they stay small unread.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn describe() {
    describe_counter!(REQUESTS, "Requests decided.");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "From a parsed request to the end of its answer."
    );
    describe_histogram!(
        DECISION_SECONDS,
        Unit::Seconds,
        "From a parsed request to its decision, signals included."
    );
    describe_histogram!(
        PREDICTION_ERROR_SECONDS,
        Unit::Seconds,
        "Between predicted and actual latency."
    );
    describe_counter!(PROMPT_TOKENS, "Tokens that went in.");
    describe_histogram!(
        COST_USD,
        "US dollars that a request cost, where the price is known."
    );
    describe_counter!(FAILOVERS, "Placements tried in vain before one served.");
    describe_counter!(
        CONTINUATIONS,
        "Answers that went on elsewhere after they had begun."
    );
    describe_gauge!(
        CONFIDENCE_ERROR,
        "Mean squared difference between a cascade's confidence and what came; 0.25 knows nothing."
    );
    describe_counter!(CASCADES, "Answers that a cascade weighed.");
    describe_counter!(
        UNRECORDED,
        "Outcomes that could not be written to the spool."
    );
    describe_counter!(DELIVERED, "Outcomes that the gateway has stored.");
    describe_counter!(
        DELIVERY_FAILURES,
        "Attempts to deliver outcomes that failed."
    );
    describe_gauge!(SPOOL_WAITING, "Outcomes that wait for the gateway.");
    describe_counter!(
        SPOOL_DROPPED,
        "Outcomes lost for want of room or time, since the spool began."
    );
    describe_gauge!(SPOOL_BYTES, Unit::Bytes, "Size of the spool.");
    describe_counter!(MODEL_FAILURES, "Configured models that did not load.");
    describe_counter!(
        POLICY_RELOADS,
        "Changed policies that were put in force, or refused."
    );
    describe_gauge!(GATEWAY_ATTACHED, "1 while the gateway is attached.");
    describe_gauge!(
        GATEWAY_RTT_SECONDS,
        Unit::Seconds,
        "The last measured round trip to the gateway."
    );
    describe_counter!(GATEWAY_LOST, "Times that the gateway was lost.");
}

/// How far the confidence in a model's answers was off so far.
pub(crate) fn believed(of: &Believed) {
    gauge!(
        CONFIDENCE_ERROR, "model" => of.model.to_string(), "variant" => of.variant.to_string(),
        "provider" => of.provider.to_string()
    )
    .set(of.confidence.error());
}

fn journey(journey: &Journey) {
    counter!(FAILOVERS).increment(journey.failovers.into());
    counter!(CONTINUATIONS).increment(journey.continuations.into());
    if journey.has_escalated || journey.confidence.is_some() {
        let escalated = if journey.has_escalated {
            "true"
        } else {
            "false"
        };
        counter!(CASCADES, "escalated" => escalated).increment(1);
    }
}

/// A decided request ended.
pub(crate) fn outcome(outcome: &Outcome) {
    let served = outcome.served.as_ref();
    let placement = served.map_or("none", |candidate| candidate.kind.name());
    let model = served.map_or_else(String::new, |candidate| candidate.model.to_string());
    let (ending, error) = match outcome.ending {
        OutcomeEnding::Completed => ("completed", None),
        OutcomeEnding::Failed(kind) => ("failed", Some(kind.code())),
        OutcomeEnding::Abandoned => ("abandoned", None),
        OutcomeEnding::Refused(kind) => ("refused", Some(kind.code())),
    };
    let actual = &outcome.actual;
    let latency = actual.latency.as_secs_f64();
    let task = task(&outcome.decided.decision.request().task);

    counter!(REQUESTS, "task" => task, "placement" => placement, "model" => model.clone(), "ending" => ending).increment(1);
    histogram!(DECISION_SECONDS).record(actual.decision_time.as_secs_f64());
    journey(&outcome.journey);
    if let (Some(candidate), OutcomeEnding::Completed) = (served, outcome.ending) {
        let miss = (candidate.prediction.latency.get() - latency).abs();
        histogram!(REQUEST_SECONDS, "placement" => placement, "model" => model.clone())
            .record(latency);
        histogram!(PREDICTION_ERROR_SECONDS, "placement" => placement, "model" => model.clone())
            .record(miss);
        counter!(PROMPT_TOKENS, "placement" => placement)
            .increment(actual.prompt_tokens.get().into());
        if let Some(cost) = actual.cost {
            histogram!(COST_USD, "placement" => placement).record(cost.get());
        }
    }
    tracing::debug!(
        request = %outcome.request, decision = %outcome.decided.id, task, placement, model, ending, error,
        latency_ms = milliseconds(actual.latency), failovers = outcome.journey.failovers,
        reason = outcome.decided.decision.reason(), "request ended"
    );
}

/// The tasks that there are, so that nothing else becomes a label.
fn task(name: &str) -> &'static str {
    ["embedding", "infer"]
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or("other")
}

/// An outcome could not be written down.
pub(crate) fn unrecorded(error: &std::io::Error) {
    counter!(UNRECORDED).increment(1);
    tracing::error!(%error, "an outcome could not be written to the spool; it is lost");
}

/// The link changed. A repeated failure to come back is no news.
pub(crate) fn link(status: &LinkStatus, before: &LinkStatus) {
    let was_attached = matches!(before, LinkStatus::Attached { .. });
    match status {
        LinkStatus::Attached { gateway_id, rtt } => {
            gauge!(GATEWAY_ATTACHED).set(1.0);
            if let Some(rtt) = rtt {
                gauge!(GATEWAY_RTT_SECONDS).set(rtt.as_secs_f64());
            }
            if !was_attached {
                tracing::info!(
                    gateway = gateway_id,
                    rtt_ms = rtt.map(milliseconds),
                    "attached to the gateway"
                );
            }
        }
        LinkStatus::Away { why, .. } => {
            gauge!(GATEWAY_ATTACHED).set(0.0);
            if was_attached {
                counter!(GATEWAY_LOST).increment(1);
                tracing::warn!(why, "the gateway is away; what can run here runs here");
            } else {
                tracing::debug!(why, "the gateway is still away");
            }
        }
        LinkStatus::Refused { why, .. } => {
            gauge!(GATEWAY_ATTACHED).set(0.0);
            tracing::error!(
                why,
                "the gateway refuses this agent; it works alone until it is started again"
            );
        }
    }
}

/// A batch of outcomes is stored at the gateway.
pub(crate) fn delivered(outcomes: usize) {
    counter!(DELIVERED).increment(outcomes as u64);
    tracing::debug!(outcomes, "outcomes delivered");
}

/// A batch of outcomes could not be delivered; it will be again.
pub(crate) fn delivery_failed(error: &dyn std::error::Error) {
    counter!(DELIVERY_FAILURES).increment(1);
    tracing::warn!(%error, "outcomes could not be delivered for now");
}

/// The policy's files changed, and what they say now is in force.
pub(crate) fn policy_replaced(policy: &Policy) {
    counter!(POLICY_RELOADS, "result" => "replaced").increment(1);
    tracing::info!(%policy, rules = policy.rule_count(), "a new policy is in force");
}

/// The policy's files changed and cannot be used: what was in force stays.
pub(crate) fn policy_refused(error: &anyhow::Error, kept: &Policy) {
    counter!(POLICY_RELOADS, "result" => "refused").increment(1);
    tracing::error!(in_force = %kept, "the new policy is refused and the old one stays in force:\n{error:#}");
}

/// What may be spent could not be written down: after a restart it counts as spent.
pub(crate) fn wallet_not_stored(error: &std::io::Error) {
    tracing::error!(%error, "the wallet of budgets could not be stored");
}

/// There is no policy.
pub(crate) fn no_policy() {
    tracing::warn!("no policy is configured: nothing leaves this laptop; name one with --policy");
}

/// There is no ONNX Runtime, and nothing that needs it.
pub(crate) fn no_library(error: &dyn std::error::Error) {
    tracing::warn!(%error, "no model can run on this laptop");
}

/// A configured model does not load; the others serve.
pub(crate) fn model_failed(path: &Path, error: &anyhow::Error) {
    counter!(MODEL_FAILURES).increment(1);
    tracing::error!(path = %path.display(), error = format!("{error:#}"), "a model does not load and is left out");
}

/// A model of the store has the name of a configured one, which serves.
pub(crate) fn model_hidden(model: &str) {
    tracing::info!(
        model,
        "an installed model is left out: a configured one has its name"
    );
}

/// The store of installed models cannot be read; what is loaded serves on.
pub(crate) fn store_unreadable(error: &dyn std::error::Error) {
    tracing::warn!(%error, "the model store cannot be read");
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A count as gauges take it; beyond 2^53 the last digits are rounded.
#[expect(
    clippy::cast_precision_loss,
    reason = "rounding the last digits of 2^53 does no harm in a gauge"
)]
fn count(count: u64) -> f64 {
    count as f64
}
