//! One way a request could run, with what is expected of it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::boundary::Boundary;
use crate::units::{Probability, Seconds, Usd, WattHours};

/// The kinds of placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlacementKind {
    /// On the device.
    Device,
    /// The first layers on the device, the rest at a site.
    Split,
    /// At a site, private or public.
    Cloud,
    /// On the device first, at a site if the device is unsure.
    Cascade,
}

impl PlacementKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Device, Self::Split, Self::Cloud, Self::Cascade];

    /// As policies and headers spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Split => "split",
            Self::Cloud => "cloud",
            Self::Cascade => "cascade",
        }
    }
}

impl fmt::Display for PlacementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place where work can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its name.
    pub name: Arc<str>,
    /// How far away it counts.
    pub boundary: Boundary,
}

/// Whether a candidate can serve now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Availability {
    /// It can.
    Ready,
    /// It cannot, and why.
    Unavailable(Arc<str>),
}

/// What is expected of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    /// From the decision to the end of the answer.
    pub latency: Seconds,
    /// One standard deviation of the latency.
    pub latency_sd: Seconds,
    /// `None` when the price is unknown.
    pub cost: Option<Usd>,
    /// Drawn on the device.
    pub energy: WattHours,
    /// That the answer is wrong.
    pub p_error: Probability,
}

/// One way a request could run. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The kind of placement.
    pub kind: PlacementKind,
    /// Where it runs.
    pub site: Site,
    /// The model.
    pub model: Arc<str>,
    /// The build of it.
    pub variant: Arc<str>,
    /// The execution provider or upstream that runs it.
    pub provider: Arc<str>,
    /// What is expected.
    pub prediction: Prediction,
    /// Whether it can serve now.
    pub availability: Availability,
    /// Whether sensitive spans are replaced before content leaves the device for it.
    #[serde(default)]
    pub redacts: bool,
}
