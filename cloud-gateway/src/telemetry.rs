//! Every metric of the gateway: its name, unit and labels stand here alone, and one function tells an
//! event to the log and to its counter, so that the two cannot drift.
//!
//! Labels come from closed sets or from the configured models. Never a device, user or request id,
//! and never content.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use inference_api::{InferenceError, Served};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use placement::{Outcome, OutcomeEnding};

use crate::store::StoreError;

/// Requests that agents sent and that ran, by `model`.
const EXECUTED: &str = "tideline_gateway_executed_total";
/// Requests that agents sent and that did not run, by `code`.
const EXECUTE_FAILED: &str = "tideline_gateway_execute_failed_total";
/// Requests refused since their boundary does not reach this site.
const REFUSED_BOUNDARY: &str = "tideline_gateway_refused_boundary_total";
/// Seconds from a request's arrival to its result, by `model`.
const EXECUTE_SECONDS: &str = "tideline_gateway_execute_seconds";
/// Requests of thin clients, by `ending`.
const FRONT_REQUESTS: &str = "tideline_gateway_front_requests_total";
/// Calls without the right token.
const REFUSED_CALLERS: &str = "tideline_gateway_refused_callers_total";
/// Whether an address of an upstream can be used, by `upstream` and `address`.
const UPSTREAM_WELL: &str = "tideline_gateway_upstream_well";
/// Requests that an upstream did not begin to answer, by `upstream` and `code`.
const UPSTREAM_FAILURES: &str = "tideline_gateway_upstream_failures_total";
/// Devices that are attached.
const ATTACHED: &str = "tideline_gateway_attached_devices";
/// Times that a device attached.
const ATTACHES: &str = "tideline_gateway_attaches_total";
/// Outcomes delivered, repeated ones included.
const OUTCOMES_DELIVERED: &str = "tideline_gateway_outcomes_delivered_total";
/// Outcomes stored, each once.
const OUTCOMES_STORED: &str = "tideline_gateway_outcomes_stored_total";
/// Leases of budgets granted to devices.
const BUDGET_LEASES: &str = "tideline_gateway_budget_leases_total";
/// Times that the database did not do what was asked.
const STORE_FAILURES: &str = "tideline_gateway_store_failures_total";

/// From a fast model's half a millisecond to a slow answer's minute.
const SECONDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0, 60.0,
];

/// The process's metrics.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// The metrics of this process; the first call makes them.
    pub(crate) fn of_process() -> Self {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        METRICS.get_or_init(Self::install).clone()
    }

    fn install() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
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
    pub(crate) fn render(&self) -> String {
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
    describe_counter!(EXECUTED, "Requests that agents sent and that ran.");
    describe_counter!(
        EXECUTE_FAILED,
        "Requests that agents sent and that did not run."
    );
    describe_counter!(
        REFUSED_BOUNDARY,
        "Requests whose boundary does not reach this site."
    );
    describe_histogram!(
        EXECUTE_SECONDS,
        Unit::Seconds,
        "From a request's arrival to its result."
    );
    describe_counter!(FRONT_REQUESTS, "Requests of thin clients.");
    describe_counter!(REFUSED_CALLERS, "Calls without the right token.");
    describe_gauge!(
        UPSTREAM_WELL,
        "Whether an address of an upstream can be used: 1 or 0."
    );
    describe_counter!(
        UPSTREAM_FAILURES,
        "Requests that an upstream did not begin to answer."
    );
    describe_gauge!(ATTACHED, "Devices that are attached.");
    describe_counter!(ATTACHES, "Times that a device attached.");
    describe_counter!(
        OUTCOMES_DELIVERED,
        "Outcomes delivered, repeated ones included."
    );
    describe_counter!(BUDGET_LEASES, "Leases of budgets granted to devices.");
    describe_counter!(OUTCOMES_STORED, "Outcomes stored, each once.");
    describe_counter!(
        STORE_FAILURES,
        "Times that the database did not do what was asked."
    );
}

/// A request of an agent runs.
pub(crate) fn executed(served: &Served, took: Duration) {
    let model = served.model.as_str().to_owned();
    counter!(EXECUTED, "model" => model.clone()).increment(1);
    histogram!(EXECUTE_SECONDS, "model" => model).record(took.as_secs_f64());
    tracing::debug!(
        model = served.model.as_str(),
        took_ms = took.as_secs_f64() * 1e3,
        "a request of an agent ran"
    );
}

/// A request of an agent did not run.
pub(crate) fn execute_failed(error: &InferenceError) {
    counter!(EXECUTE_FAILED, "code" => error.kind().code()).increment(1);
}

/// A device got a lease of a budget.
pub(crate) fn lease_granted() {
    counter!(BUDGET_LEASES).increment(1);
}

/// A request came with a boundary that does not reach this site.
pub(crate) fn refused_boundary() {
    counter!(REFUSED_BOUNDARY).increment(1);
    tracing::warn!(
        "a request was refused: its boundary does not reach this site, so its agent should not have sent it"
    );
}

/// A thin client's request ended.
pub(crate) fn front(outcome: &Outcome) {
    let ending = match outcome.ending {
        OutcomeEnding::Completed => "completed",
        OutcomeEnding::Failed(_) => "failed",
        OutcomeEnding::Abandoned => "abandoned",
        OutcomeEnding::Refused(_) => "refused",
    };
    counter!(FRONT_REQUESTS, "ending" => ending).increment(1);
    tracing::debug!(decision = %outcome.decided.id, ending, reason = outcome.decided.decision.reason(), "a thin client's request ended");
}

/// An address of an upstream is configured; it counts as well until it is found to be sick.
pub(crate) fn upstream_opened(upstream: &str, address: &str) {
    gauge!(UPSTREAM_WELL, "upstream" => upstream.to_owned(), "address" => address.to_owned())
        .set(1.0);
}

/// An address of an upstream was found to be well, or sick with `why`.
pub(crate) fn upstream_health(upstream: &str, address: &str, why: Option<&str>) {
    gauge!(UPSTREAM_WELL, "upstream" => upstream.to_owned(), "address" => address.to_owned())
        .set(if why.is_some() { 0.0 } else { 1.0 });
    match why {
        Some(why) => tracing::warn!(upstream, address, why, "an upstream cannot be used"),
        None => tracing::info!(upstream, address, "an upstream can be used again"),
    }
}

/// An upstream failed before it began to answer.
pub(crate) fn upstream_failed(upstream: &str, address: &str, error: &InferenceError) {
    let code = error.kind().code();
    counter!(UPSTREAM_FAILURES, "upstream" => upstream.to_owned(), "code" => code).increment(1);
    tracing::debug!(upstream, address, error = error.log(), "an upstream failed");
}

/// A caller showed no token, or another.
pub(crate) fn refused_caller() {
    counter!(REFUSED_CALLERS).increment(1);
    tracing::debug!("a caller without the right token was refused");
}

/// So many devices are attached now.
#[expect(
    clippy::cast_precision_loss,
    reason = "there are fewer devices than that"
)]
pub(crate) fn attached(count: usize) {
    gauge!(ATTACHED).set(count as f64);
}

/// A device attached.
pub(crate) fn attach(device: &str, agent_version: &str) {
    counter!(ATTACHES).increment(1);
    tracing::info!(device, agent_version, "a device is attached");
}

/// A control stream ended.
pub(crate) fn detach(device: Option<&str>, why: &str) {
    tracing::info!(device, why, "a control stream ended");
}

/// No more devices can be attached.
pub(crate) fn too_many() {
    tracing::warn!("a device was turned away: as many are attached as this gateway takes");
}

/// Serving ended; so many connections were still open when the grace was over.
pub(crate) fn drained(cut: usize) {
    if cut > 0 {
        tracing::warn!(
            cut,
            "connections were cut that did not end within the grace"
        );
    }
}

/// A batch of outcomes is stored; `new` of them were not there before.
pub(crate) fn outcomes(delivered: usize, new: u64) {
    counter!(OUTCOMES_DELIVERED).increment(delivered as u64);
    counter!(OUTCOMES_STORED).increment(new);
    tracing::debug!(delivered, new, "outcomes stored");
}

/// The database did not do what was asked.
pub(crate) fn store_failed(error: &StoreError) {
    counter!(STORE_FAILURES).increment(1);
    tracing::error!(%error, "the database did not do what was asked");
}
