//! What agents are told of this site: what it can serve, for how much, and how fast.

use std::sync::Arc;
use std::time::Duration;

use inference_api::TaskKind;
use placement::{Measured, RouteTable, UsdPerMillionTokens};
use tokio::sync::watch;

use crate::backends::{Backends, Site};

/// How long agents believe a hint; it is told again before half of that.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(120);
/// How often it is looked whether anything changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A change of a prediction by this factor is worth telling.
const NOTEWORTHY: f64 = 1.25;
/// Less than this is noise, in seconds.
const NOISE_SECONDS: f64 = 0.005;
/// The routes of the site's backends, as thin clients' requests are placed on.
pub(crate) const ROUTES: &str = "backends";

/// Everything that this site can serve now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hints {
    pub(crate) site: Site,
    pub(crate) backends: Vec<BackendHint>,
}

/// One model, for one task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackendHint {
    pub(crate) site: Site,
    pub(crate) model: String,
    pub(crate) task: TaskKind,
    pub(crate) variant: String,
    pub(crate) provider: String,
    /// `None` when unknown.
    pub(crate) price: Option<UsdPerMillionTokens>,
    pub(crate) speed: Measured,
    pub(crate) p_error: f64,
    /// Why it cannot serve now.
    pub(crate) unavailable: Option<String>,
}

impl Hints {
    /// What `backends` can serve.
    pub(crate) fn of(backends: &Backends) -> Self {
        let mut hints = Vec::new();
        for offer in backends.all() {
            for card in &offer.cards {
                hints.push(BackendHint {
                    site: offer.site.clone(),
                    model: card.name.as_str().to_owned(),
                    task: card.task,
                    variant: offer.variant.to_string(),
                    provider: offer.provider.to_string(),
                    price: offer.price,
                    speed: offer.backend.speed(),
                    p_error: offer.p_error.get(),
                    unavailable: offer.backend.unavailable(),
                });
            }
        }
        Self {
            site: backends.site().clone(),
            backends: hints,
        }
    }

    /// Whether agents would decide otherwise, knowing this instead of `before`.
    fn is_news(&self, before: &Self) -> bool {
        let differs = |one: f64, other: f64, noise: f64| {
            let (low, high) = (one.min(other), one.max(other));
            high > low * NOTEWORTHY && high - low > noise
        };
        self.backends.len() != before.backends.len()
            || self
                .backends
                .iter()
                .zip(&before.backends)
                .any(|(now, then)| {
                    let (speed, told) = (now.speed, then.speed);
                    now.unavailable.is_some() != then.unavailable.is_some()
                        || differs(speed.fixed_seconds, told.fixed_seconds, NOISE_SECONDS)
                        || differs(
                            speed.per_answer_token_seconds,
                            told.per_answer_token_seconds,
                            NOISE_SECONDS / 64.0,
                        )
                })
    }
}

/// Keeps what is told, and the routes of thin clients, up to date with the backends. It ends with the
/// last who listens.
pub(crate) async fn follow(
    backends: Arc<Backends>,
    routes: Arc<RouteTable>,
    told: watch::Sender<Arc<Hints>>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = told.closed() => return,
        }
        let now = Hints::of(&backends);
        if now.is_news(&told.borrow()) {
            routes.replace(ROUTES, backends.routes());
            told.send_replace(Arc::new(now));
        }
    }
}
