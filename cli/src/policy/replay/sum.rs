//! Totals before and after, with the uncertainty of what moved.

use router_policy::Candidate;
use serde_json::{Value, json};

/// A predicted amount: its mean and its variance.
pub(super) type Amount = (f64, f64);

pub(super) fn latency(candidate: &Candidate) -> Amount {
    let prediction = &candidate.prediction;
    (
        prediction.latency.get(),
        prediction.latency_sd.get().powi(2),
    )
}

/// Prices are known or not; they do not scatter.
pub(super) fn cost(candidate: &Candidate) -> Option<Amount> {
    candidate.prediction.cost.map(|cost| (cost.get(), 0.0))
}

/// Energy is drawn as long as it takes, and scatters as that does.
pub(super) fn energy(candidate: &Candidate) -> Amount {
    let prediction = &candidate.prediction;
    let (energy, latency) = (prediction.energy.get(), prediction.latency.get());
    let relative = if latency > 0.0 {
        prediction.latency_sd.get() / latency
    } else {
        0.0
    };
    (energy, (energy * relative).powi(2))
}

/// What all requests took, and how that would change.
#[derive(Debug, Default)]
pub(super) struct Sum {
    before: f64,
    change: f64,
    variance: f64,
    /// Requests of which it is not known.
    unknown: usize,
}

impl Sum {
    pub(super) fn add(&mut self, before: Option<Amount>, after: Option<Amount>, is_same: bool) {
        let (Some((before, before_variance)), Some((after, after_variance))) = (before, after)
        else {
            self.unknown += 1;
            return;
        };
        self.before += before;
        if !is_same {
            self.change += after - before;
            self.variance += before_variance + after_variance;
        }
    }

    /// Half the width of the 95 % interval of the change.
    fn margin(&self) -> f64 {
        1.96 * self.variance.sqrt()
    }

    /// The change in percent of what it was; `None` where it was nothing.
    pub(super) fn percent(&self) -> Option<f64> {
        (self.before > 0.0).then(|| 100.0 * self.change / self.before)
    }

    /// Whether it grows from nothing.
    pub(super) fn is_new(&self) -> bool {
        self.before <= 0.0 && self.change > 0.0
    }

    pub(super) fn before_text(&self, unit: &str) -> String {
        let unknown = if self.unknown == 0 {
            String::new()
        } else {
            format!(" ({} unknown)", self.unknown)
        };
        format!("{:.6} {unit}{unknown}", self.before)
    }

    pub(super) fn change_text(&self, unit: &str) -> String {
        format!("{:+.6} ± {:.6} {unit}", self.change, self.margin())
    }

    pub(super) fn percent_text(&self) -> String {
        self.percent()
            .map_or_else(String::new, |percent| format!("{percent:+.1} %"))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "before": self.before, "change": self.change, "margin95": self.margin(), "percent": self.percent(), "unknown": self.unknown })
    }
}
