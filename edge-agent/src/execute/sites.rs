//! What the gateway can serve, as routes: one for each model and site that it told of, ready while
//! the link stands.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use inference_api::{ModelCard, ModelName, TaskKind};
use placement::{Availability, BoxEgressService, Executor, Measured, Route};
use router_policy::{Boundary, PlacementKind, Probability, Site};
use tokio::sync::watch;
use tokio::time::Instant;

use super::remote::RemoteExecutor;
use crate::fleet::{BackendHint, LinkStatus, LinkView, SiteBoundary};
use crate::inventory::ModelTask;

/// The routes of what `link` shows now.
pub(crate) fn routes(link: &watch::Receiver<LinkView>) -> Vec<Route> {
    let view = link.borrow().clone();
    let reach = Reach::of(&view.status);
    let hints = view.hints.iter().flat_map(|hints| &hints.backends);
    hints.filter_map(|hint| route(hint, &reach, link)).collect()
}

/// Whether the gateway can be reached, and how long a round trip takes.
struct Reach {
    availability: Availability,
    rtt_seconds: f64,
}

impl Reach {
    fn of(status: &LinkStatus) -> Self {
        let away = |since: std::time::Instant, why: &str| {
            let text = format!(
                "the gateway cannot be reached since {}: {why}",
                time_of_day(since)
            );
            Self {
                availability: Availability::Unavailable(text.into()),
                rtt_seconds: 0.0,
            }
        };
        match status {
            LinkStatus::Attached { rtt, .. } => Self {
                availability: Availability::Ready,
                rtt_seconds: rtt.map_or(0.0, |rtt| rtt.as_secs_f64()),
            },
            LinkStatus::Away { since, why } | LinkStatus::Refused { since, why } => {
                away(*since, why)
            }
        }
    }
}

/// When that was, on the clock on the wall.
fn time_of_day(then: std::time::Instant) -> String {
    let ago = Instant::now().into_std().saturating_duration_since(then);
    let at = SystemTime::now()
        .checked_sub(ago)
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let seconds = at.unwrap_or_default().as_secs() % (24 * 3600);
    format!(
        "{:02}:{:02}:{:02} UTC",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn route(hint: &BackendHint, reach: &Reach, link: &watch::Receiver<LinkView>) -> Option<Route> {
    let availability = match &hint.unavailable {
        Some(why) => Availability::Unavailable(why.as_str().into()),
        None => reach.availability.clone(),
    };
    let site = Site {
        name: hint.site.name.as_str().into(),
        boundary: boundary(hint.site.boundary),
    };
    let variant: Arc<str> = hint.variant.as_str().into();
    let executor = RemoteExecutor::new(
        link.clone(),
        hint.model.as_str().into(),
        variant.clone(),
        site.name.clone(),
    );
    Some(Route {
        kind: PlacementKind::Cloud,
        site,
        card: Arc::new(card(hint, availability == Availability::Ready)?),
        variant,
        provider: hint.provider.as_str().into(),
        measured: Measured {
            fixed_seconds: hint.fixed_seconds + reach.rtt_seconds,
            per_token_seconds: hint.per_token_seconds,
            per_answer_token_seconds: hint.per_answer_token_seconds,
        },
        price: hint.price,
        // While a site works, this laptop waits: what its radio draws is not measured.
        watts: 0.0,
        p_error: Probability::new(hint.error_probability),
        availability,
        counter: None,
        executor: Executor::Leaves(BoxEgressService::new(executor)),
    })
}

/// What callers are told of a model that only the gateway knows.
fn card(hint: &BackendHint, ready: bool) -> Option<ModelCard> {
    let task = match hint.task {
        ModelTask::Embedding => TaskKind::Embedding,
        ModelTask::Infer => TaskKind::Infer,
        ModelTask::Chat => TaskKind::Chat,
        ModelTask::Completion => TaskKind::Completion,
    };
    Some(ModelCard {
        ready,
        owner: hint.site.name.clone(),
        ..ModelCard::new(ModelName::new(&hint.model)?, task)
    })
}

fn boundary(boundary: SiteBoundary) -> Boundary {
    match boundary {
        SiteBoundary::Private => Boundary::Private,
        SiteBoundary::Cloud => Boundary::Cloud,
    }
}
