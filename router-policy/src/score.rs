//! Everything has a price in dollars, so that weights can be argued about.

use serde::Serialize;

use crate::candidate::{Candidate, Prediction};
use crate::document::Objective;
use crate::units::Usd;

/// What a candidate is expected to cost, all told, in US dollars. Lower is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// The sum of the parts.
    pub total_usd: f64,
    /// What is paid for.
    pub cost_usd: f64,
    /// Seconds × what a second is worth.
    pub latency_usd: f64,
    /// Watt-hours × what one is worth.
    pub energy_usd: f64,
    /// P(error) × what a wrong answer costs.
    pub error_usd: f64,
    /// Whether the price is unknown, so that `cost_usd` is the dearest known one instead.
    pub cost_is_assumed: bool,
}

/// Prices a prediction. An unknown cost counts as `dearest`, never as nothing.
pub(crate) fn score(prediction: &Prediction, objective: &Objective, dearest: Usd) -> Score {
    let cost_usd = prediction.cost.unwrap_or(dearest).get();
    let latency_usd = prediction.latency.get() * objective.usd_per_second;
    let energy_usd = prediction.energy.get() * objective.usd_per_watt_hour;
    let error_usd = prediction.p_error.get() * objective.usd_per_error;
    Score {
        total_usd: cost_usd + latency_usd + energy_usd + error_usd,
        cost_usd,
        latency_usd,
        energy_usd,
        error_usd,
        cost_is_assumed: prediction.cost.is_none(),
    }
}

/// The dearest known cost among candidates; nothing when none is known, and so none differs.
pub(crate) fn dearest<'c>(candidates: impl Iterator<Item = &'c Candidate>) -> Usd {
    let known = candidates.filter_map(|candidate| candidate.prediction.cost);
    known.fold(Usd::ZERO, |a, b| if b > a { b } else { a })
}
