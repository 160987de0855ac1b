//! What agents are told of this site: what it can serve, for how much, and how fast.

use std::time::Duration;

use inference_api::TaskKind;

use crate::backends::{Backends, Site};

/// How long agents believe a hint; it is told again before half of that.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(120);

/// Everything that this site can serve now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hints {
    pub(crate) site: Site,
    pub(crate) backends: Vec<BackendHint>,
}

/// One model, for one task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackendHint {
    pub(crate) model: String,
    pub(crate) task: TaskKind,
    pub(crate) variant: String,
    pub(crate) provider: String,
    /// `None` when unknown.
    pub(crate) usd_per_million_tokens: Option<f64>,
    pub(crate) fixed_seconds: f64,
    pub(crate) per_token_seconds: f64,
    pub(crate) per_answer_token_seconds: f64,
    pub(crate) p_error: f64,
}

impl Hints {
    /// What `backends` can serve.
    pub(crate) fn of(backends: &Backends) -> Self {
        let mut hints = Vec::new();
        for backend in backends.all() {
            for task in backend.tasks() {
                hints.push(BackendHint {
                    model: backend.model().to_owned(),
                    task,
                    variant: backend.variant().to_owned(),
                    provider: backend.provider().to_owned(),
                    usd_per_million_tokens: backend.usd_per_million_tokens(),
                    fixed_seconds: backend.speed().fixed_seconds,
                    per_token_seconds: backend.speed().per_token_seconds,
                    per_answer_token_seconds: backend.speed().per_answer_token_seconds,
                    p_error: backend.p_error().get(),
                });
            }
        }
        Self {
            site: backends.site().clone(),
            backends: hints,
        }
    }
}
