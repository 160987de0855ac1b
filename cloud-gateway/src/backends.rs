//! What this site can run and hand on, one kind of backend a file.
//!
//! Its invariant: before anything of a request is looked at, the boundary that came with it is held
//! against this site's. A backend runs nothing without the [`Reached`] that this gives, and is only
//! asked when its own site lies within that boundary.

mod embedded;
mod http;
mod oip;
mod openai;
mod upstream;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use futures::future::BoxFuture;
use inference_api::{
    Boundary, ErrorKind, InferenceError, InferenceRequest, InferenceStream, ModelCard,
    ModelSelector, Served, TaskKind,
};
use placement::{
    Availability, Executor, Measured, Route, TokenCounter, UsdPerMillionTokens, boundary_to_policy,
};
use router_policy::{PlacementKind, Probability};
use tokio::sync::Semaphore;

use crate::config::{Config, UpstreamKind};
use crate::telemetry;

/// Requests under way at a time.
const CONCURRENCY: usize = 128;
/// Requests that may wait for a place.
const QUEUE: usize = 896;

/// The backends of this site.
#[derive(Debug)]
pub(crate) struct Backends {
    site: Site,
    offers: Vec<Offer>,
    places: Arc<Semaphore>,
    served: Mutex<BTreeMap<Key, Count>>,
}

/// This site, or one that it hands requests on to, as decisions name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) boundary: Boundary,
}

/// One build of a model that a backend serves.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// The kind of backend.
    pub(crate) kind: &'static str,
    pub(crate) site: Site,
    /// The build; no two offers share both model and build.
    pub(crate) variant: Arc<str>,
    /// The execution provider or upstream that really runs it.
    pub(crate) provider: Arc<str>,
    /// The model as its callers see it, once for each task that it does; at least one.
    pub(crate) cards: Vec<Arc<ModelCard>>,
    /// `None` when unknown.
    pub(crate) price: Option<UsdPerMillionTokens>,
    /// How often its answer is wrong.
    pub(crate) p_error: Probability,
    /// The model's tokenizer, where it is here.
    pub(crate) counter: Option<Arc<dyn TokenCounter>>,
    pub(crate) backend: Arc<dyn Backend>,
}

/// What runs requests for an offer.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// What a request takes now, without the way to this site.
    fn speed(&self) -> Measured;

    /// Why it cannot serve now; `None` when it can.
    fn unavailable(&self) -> Option<String>;

    /// Runs a request that was decided elsewhere and reached this site.
    fn run(
        &self,
        request: InferenceRequest,
    ) -> BoxFuture<'static, Result<InferenceStream, InferenceError>>;

    /// Runs a request that is decided here.
    fn executor(&self) -> Executor;
}

impl Offer {
    pub(crate) fn model(&self) -> &str {
        self.cards.first().map_or("", |card| card.name.as_str())
    }

    pub(crate) fn does(&self, task: TaskKind) -> bool {
        self.cards.iter().any(|card| card.task == task)
    }

    /// As routes for thin clients, one for each task.
    fn routes(&self) -> impl Iterator<Item = Route> {
        let availability = match self.backend.unavailable() {
            Some(why) => Availability::Unavailable(why.into()),
            None => Availability::Ready,
        };
        self.cards.iter().map(move |card| Route {
            kind: PlacementKind::Cloud,
            site: router_policy::Site {
                name: self.site.name.as_str().into(),
                boundary: boundary_to_policy(self.site.boundary),
            },
            card: card.clone(),
            variant: self.variant.clone(),
            provider: self.provider.clone(),
            measured: self.backend.speed(),
            price: self.price,
            // A thin client's own machine does nothing meanwhile.
            watts: 0.0,
            p_error: self.p_error,
            availability: availability.clone(),
            counter: self.counter.clone(),
            executor: self.backend.executor(),
        })
    }
}

/// What requests are counted by: a backend, a model, and the boundary that came with them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) backend: &'static str,
    pub(crate) model: String,
    pub(crate) boundary: Option<Boundary>,
}

/// How many requests ran, and how many were refused for their boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) requests: u64,
    pub(crate) refused: u64,
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) request: InferenceRequest,
    pub(crate) variant: Option<String>,
}

/// The boundary of one request, which reaches this site. Given up to run the request.
#[derive(Debug)]
pub(crate) struct Reached(Boundary);

impl Reached {
    pub(crate) const fn boundary(&self) -> Boundary {
        self.0
    }
}

/// Everything that is configured, loaded and connected.
pub(crate) async fn open(config: &Config, site: &Site) -> anyhow::Result<Vec<Offer>> {
    let (loading, here) = (config.clone(), site.clone());
    let embedded = tokio::task::spawn_blocking(move || embedded::load(&loading, &here));
    let mut offers = embedded.await??;
    for upstream in &config.upstreams {
        let about = || format!("the upstream `{}`", upstream.name);
        let offered = match upstream.kind {
            UpstreamKind::Openai => openai::open(upstream),
            UpstreamKind::Oip => oip::open(upstream).await,
        };
        offers.extend(offered.with_context(about)?);
    }
    for (index, offer) in offers.iter().enumerate() {
        let same =
            |other: &&Offer| (other.model(), &other.variant) == (offer.model(), &offer.variant);
        if let Some(other) = offers.iter().take(index).find(same) {
            anyhow::bail!(
                "the model `{}` is there twice in the build `{}`, at {} and {}: name one of them otherwise with `variant`",
                offer.model(),
                offer.variant,
                other.site.name,
                offer.site.name
            );
        }
    }
    Ok(offers)
}

impl Backends {
    pub(crate) fn new(site: Site, offers: Vec<Offer>) -> Self {
        Self {
            site,
            offers,
            places: Arc::new(Semaphore::new(CONCURRENCY + QUEUE)),
            served: Mutex::default(),
        }
    }

    pub(crate) const fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn all(&self) -> &[Offer] {
        &self.offers
    }

    /// The same backends as routes for thin clients.
    pub(crate) fn routes(&self) -> Vec<Route> {
        self.offers.iter().flat_map(Offer::routes).collect()
    }

    /// Holds the boundary that came with a request for `model` against this site's. None is the
    /// narrowest.
    pub(crate) fn reach(
        &self,
        boundary: Option<Boundary>,
        model: &str,
    ) -> Result<Reached, InferenceError> {
        if let Some(boundary) = boundary
            && boundary >= self.site.boundary
        {
            return Ok(Reached(boundary));
        }
        let offer = self.offers.iter().find(|offer| offer.model() == model);
        Err(self.refuse(offer, boundary, &self.site))
    }

    /// Runs a request that was decided elsewhere.
    pub(crate) async fn run(
        &self,
        reached: Reached,
        incoming: Incoming,
    ) -> Result<InferenceStream, InferenceError> {
        let Incoming { request, variant } = incoming;
        let boundary = Some(reached.boundary());
        let fitting = || self.fitting(&request, variant.as_deref());
        let within = |offer: &&Offer| offer.site.boundary <= reached.boundary();
        // The first that can serve, as they are configured; agents name the build that they mean.
        let offer = fitting()
            .filter(within)
            .min_by_key(|offer| offer.backend.unavailable().is_some());
        let Some(offer) = offer else {
            return Err(match fitting().next() {
                Some(offer) => self.refuse(Some(offer), boundary, &offer.site),
                None => {
                    let name = request.model.name();
                    InferenceError::model_not_found(
                        name.map_or(ModelSelector::AUTO, |name| name.as_str()),
                    )
                }
            });
        };
        self.count(Some(offer), boundary, |count| count.requests += 1);
        let place = self
            .places
            .clone()
            .try_acquire_owned()
            .map_err(|_full| InferenceError::overloaded())?;
        let deadline = request.context.deadline;
        let answer = offer.backend.run(request).await?;
        Ok(answer.with_permit(place).with_deadline(deadline))
    }

    /// What tokens cost at what served; `None` when unknown.
    pub(crate) fn price(&self, served: &Served) -> Option<UsdPerMillionTokens> {
        let same = |offer: &&Offer| {
            offer.model() == served.model.as_str()
                && served.variant.as_deref() == Some(&*offer.variant)
        };
        self.offers.iter().find(same)?.price
    }

    /// What ran here since the start, and for how far a boundary.
    pub(crate) fn served(&self) -> Vec<(Key, Count)> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served
            .iter()
            .map(|(key, count)| (key.clone(), *count))
            .collect()
    }

    fn fitting(
        &self,
        request: &InferenceRequest,
        variant: Option<&str>,
    ) -> impl Iterator<Item = &Offer> {
        let (task, name) = (request.task.kind(), request.model.name());
        self.offers.iter().filter(move |offer| {
            offer.does(task)
                && name.is_none_or(|name| name.as_str() == offer.model())
                && variant.is_none_or(|variant| *variant == *offer.variant)
        })
    }

    fn refuse(
        &self,
        offer: Option<&Offer>,
        boundary: Option<Boundary>,
        site: &Site,
    ) -> InferenceError {
        self.count(offer, boundary, |count| count.refused += 1);
        telemetry::refused_boundary();
        InferenceError::new(
            ErrorKind::PolicyDenied,
            format!(
                "the request came with boundary {}, {} is {}",
                boundary.map_or("unspecified", Boundary::name),
                if site == &self.site {
                    "this site"
                } else {
                    &site.name
                },
                site.boundary
            ),
        )
    }

    fn count(
        &self,
        offer: Option<&Offer>,
        boundary: Option<Boundary>,
        add: impl FnOnce(&mut Count),
    ) {
        // Models are the configured ones alone, so that this stays small.
        let key = Key {
            backend: offer.map_or("none", |offer| offer.kind),
            model: offer.map_or_else(String::new, |offer| offer.model().to_owned()),
            boundary,
        };
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        add(served.entry(key).or_default());
    }
}
