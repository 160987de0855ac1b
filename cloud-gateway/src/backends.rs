//! What this site can run, one kind of backend a file.
//!
//! Its invariant: before anything of a request is looked at, the boundary that came with it is held
//! against this site's. A backend runs nothing without the [`Reached`] that this gives.

mod embedded;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use inference_api::{
    Boundary, ErrorKind, InferenceError, InferenceRequest, InferenceStream, ModelSelector, Served,
};
use placement::Route;
use tokio::sync::Semaphore;

pub(crate) use self::embedded::{Embedded, load};
use crate::telemetry;

/// Requests under way at a time.
const CONCURRENCY: usize = 128;
/// Requests that may wait for a place.
const QUEUE: usize = 896;

/// The backends of this site.
#[derive(Debug)]
pub(crate) struct Backends {
    site: Site,
    embedded: Vec<Embedded>,
    places: std::sync::Arc<Semaphore>,
    served: Mutex<BTreeMap<Key, Count>>,
}

/// This site, as decisions name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) boundary: Boundary,
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

impl Backends {
    pub(crate) fn new(site: Site, embedded: Vec<Embedded>) -> Self {
        let places = std::sync::Arc::new(Semaphore::new(CONCURRENCY + QUEUE));
        Self {
            site,
            embedded,
            places,
            served: Mutex::default(),
        }
    }

    pub(crate) const fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn all(&self) -> &[Embedded] {
        &self.embedded
    }

    /// The same backends as routes for thin clients.
    pub(crate) fn routes(&self) -> Vec<Route> {
        self.embedded
            .iter()
            .flat_map(|backend| backend.routes(&self.site))
            .collect()
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
        let named = |backend: &&Embedded| backend.model() == model;
        let backend = self.embedded.iter().find(named);
        self.count(backend, boundary, |count| count.refused += 1);
        telemetry::refused_boundary();
        Err(InferenceError::new(
            ErrorKind::PolicyDenied,
            format!(
                "the request came with boundary {}, this site is {}",
                boundary.map_or("unspecified", Boundary::name),
                self.site.boundary
            ),
        ))
    }

    /// Runs a request that was decided elsewhere.
    pub(crate) async fn run(
        &self,
        reached: Reached,
        incoming: Incoming,
    ) -> Result<InferenceStream, InferenceError> {
        let Incoming { request, variant } = incoming;
        let Some(backend) = self.find(&request, variant.as_deref()) else {
            let name = request
                .model
                .name()
                .map_or(ModelSelector::AUTO, |name| name.as_str());
            return Err(InferenceError::model_not_found(name));
        };
        self.count(Some(backend), Some(reached.boundary()), |count| {
            count.requests += 1;
        });
        let place = self
            .places
            .clone()
            .try_acquire_owned()
            .map_err(|_full| InferenceError::overloaded())?;
        let deadline = request.context.deadline;
        Ok(backend
            .run(request)
            .await?
            .with_permit(place)
            .with_deadline(deadline))
    }

    /// What a million tokens cost by what served; `None` when unknown.
    pub(crate) fn price(&self, served: &Served) -> Option<f64> {
        let same = |backend: &&Embedded| {
            backend.model() == served.model.as_str()
                && served.variant.as_deref() == Some(backend.variant())
        };
        self.embedded.iter().find(same)?.usd_per_million_tokens()
    }

    /// What ran here since the start, and for how far a boundary.
    pub(crate) fn served(&self) -> Vec<(Key, Count)> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served
            .iter()
            .map(|(key, count)| (key.clone(), *count))
            .collect()
    }

    fn find(&self, request: &InferenceRequest, variant: Option<&str>) -> Option<&Embedded> {
        let fits = |backend: &&Embedded| {
            backend.does(request.task.kind())
                && request
                    .model
                    .name()
                    .is_none_or(|name| name.as_str() == backend.model())
                && variant.is_none_or(|variant| variant == backend.variant())
        };
        self.embedded.iter().find(fits)
    }

    fn count(
        &self,
        backend: Option<&Embedded>,
        boundary: Option<Boundary>,
        add: impl FnOnce(&mut Count),
    ) {
        // Models are the configured ones alone, so that this stays small.
        let key = Key {
            backend: backend.map_or("none", |_| Embedded::KIND),
            model: backend.map_or_else(String::new, |backend| backend.model().to_owned()),
            boundary,
        };
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        add(served.entry(key).or_default());
    }
}
