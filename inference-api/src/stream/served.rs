//! What served a request and why: what becomes the headers of its answer.
//!
//! It holds no content. What is unknown is `None` and left out of the headers,
//! never a zero or an empty text.

use std::fmt;

use crate::request::ModelName;

/// What serves a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// The kind of place.
    pub placement: Placement,
    /// The model that serves, not the one that was asked for.
    pub model: ModelName,
    /// The build of it.
    pub variant: Option<String>,
    /// The execution provider that really runs it, or the upstream.
    pub provider: Option<String>,
    /// The site, where it is not this one.
    pub site: Option<String>,
    /// What it is expected to cost.
    pub cost_usd: Option<f64>,
    /// Why here; `None` where nothing was decided.
    pub explanation: Option<Explanation>,
}

impl Served {
    /// Nothing but a place and a model.
    #[must_use]
    pub fn new(placement: Placement, model: ModelName) -> Self {
        Self {
            placement,
            model,
            variant: None,
            provider: None,
            site: None,
            cost_usd: None,
            explanation: None,
        }
    }
}

/// Why a request was placed where it was, or refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// By which the decision can be looked up afterwards.
    pub decision_id: String,
    /// For a person, in one line.
    pub reason: String,
    /// The policy's hash; `None` while there is none.
    pub policy: Option<String>,
    /// The whole decision, where the caller asked for it.
    pub debug: Option<serde_json::Value>,
}

/// The kinds of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Here.
    Device,
    /// The head here, the tail there.
    Split,
    /// At a site, private or public.
    Cloud,
    /// Here first, escalated if unsure.
    Cascade,
}

impl Placement {
    /// The value of `x-tideline-placement`.
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

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
