//! One service of others, whatever it speaks: which of its addresses a request goes to, how many
//! requests are under way, what is tried again, and what its speed and health are.
//!
//! A request goes to the address that is expected to answer first: the time that it last took to the
//! first event, with what is under way there (peak EWMA, as in Finagle and linkerd). An address that
//! fails again and again is left alone for a while; one that asks to be left alone is. What failed
//! before the first event is tried at another address, within a budget (a fifth of the requests, and
//! ten a second). Nothing is tried again once an event was given on.

mod address;
mod flow;
mod pace;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use inference_api::{
    ErrorKind, Event, InferenceError, InferenceRequest, InferenceStream, ModelName, Output,
    Placement, Served, Usage,
};
use placement::{BoxEgressService, Egress, Executor, Measured};
use router_policy::EgressPermit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tower::retry::budget::{Budget as _, TpsBudget};

use self::address::Address;
pub(super) use self::pace::Pace;
use super::{Backend, Site};
use crate::config::{UpstreamConfig, UpstreamModel};
use crate::telemetry;

/// Requests that may wait for each that may be under way.
const WAITING: usize = 4;
/// What may be tried again: of all requests, and a second in any case.
const RETRIES: f32 = 0.2;
const RETRIES_PER_SECOND: u32 = 10;

/// Speaks one protocol with the addresses of one service.
pub(super) trait Speaker: fmt::Debug + Send + Sync + 'static {
    /// Runs a request at the address of that number. What it answers with begins with its first
    /// event; until that is there nothing was promised to anybody.
    fn ask(
        &self,
        address: usize,
        request: InferenceRequest,
        model: Arc<str>,
    ) -> BoxFuture<'static, Result<Reply, Failure>>;

    /// Asks whether the address is there and serves.
    fn look(&self, address: usize) -> BoxFuture<'static, Result<(), String>>;
}

/// What a service answers with.
pub(super) enum Reply {
    /// All of it.
    Whole(Output, Usage),
    /// Piece by piece; the first is at hand.
    Flowing(BoxStream<'static, Result<Event, Failure>>),
}

/// What went wrong, and whose doing it was.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: InferenceError,
    pub(super) blame: Blame,
}

/// Whose doing a failure was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The request's: it fails anywhere.
    Request,
    /// The address's: another may do better.
    Address,
    /// The address has too much to do, and asks to be left alone for so long.
    Throttled(Duration),
}

impl Failure {
    /// The service does nothing of the kind.
    pub(super) fn unsupported(message: &'static str) -> Self {
        Self {
            error: InferenceError::new(ErrorKind::Unsupported, message),
            blame: Blame::Request,
        }
    }

    /// The address cannot be used: `log` says how, without content.
    pub(super) fn of_address(log: impl fmt::Display) -> Self {
        let message = "the upstream could not serve the request";
        Self {
            error: InferenceError::new(ErrorKind::Unavailable, message).with_log(log),
            blame: Blame::Address,
        }
    }
}

/// One service.
#[derive(Debug)]
pub(super) struct Upstream {
    site: Site,
    speaker: Arc<dyn Speaker>,
    addresses: Vec<Arc<Address>>,
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    retries: TpsBudget,
    first_event: Duration,
    idle: Duration,
}

impl Upstream {
    /// A service; its health is watched for as long as it is used.
    pub(super) fn open(config: &UpstreamConfig, speaker: Arc<dyn Speaker>) -> Arc<Self> {
        let site = Site {
            name: config.name.clone(),
            boundary: config.boundary.into(),
        };
        let expected = config.models.iter().map(|model| model.first_token_ms);
        let expected = Duration::from_secs_f64(expected.fold(0.0, f64::max) / 1e3);
        let address = |url: &String| {
            telemetry::upstream_opened(&config.name, url);
            Arc::new(Address::new(url, expected))
        };
        let places = usize::from(config.concurrency);
        let upstream = Arc::new(Self {
            site,
            speaker,
            addresses: config.urls.iter().map(address).collect(),
            places: Arc::new(Semaphore::new(places)),
            waiting: Arc::new(Semaphore::new(places * WAITING)),
            retries: TpsBudget::new(Duration::from_secs(10), RETRIES_PER_SECOND, RETRIES),
            first_event: config.timeouts.first_event(),
            idle: config.timeouts.idle(),
        });
        let watched = Arc::downgrade(&upstream);
        let every = config.timeouts.health().max(Duration::from_millis(100));
        tokio::spawn(async move {
            while let Some(upstream) = watched.upgrade() {
                upstream.look_around().await;
                drop(upstream);
                tokio::time::sleep(every).await;
            }
        });
        upstream
    }

    /// The site that it is to decisions.
    pub(super) const fn site(&self) -> &Site {
        &self.site
    }

    /// Asks each address how it is.
    async fn look_around(&self) {
        for (index, address) in self.addresses.iter().enumerate() {
            let looked = timeout(self.idle, self.speaker.look(index)).await;
            let found = looked.unwrap_or_else(|_elapsed| Err("it does not answer".into()));
            if let Some(change) = address.looked(found) {
                telemetry::upstream_health(&self.site.name, address.name(), change.as_deref());
            }
        }
    }

    /// Why nothing can serve now.
    fn unavailable(&self) -> Option<String> {
        let now = Instant::now();
        let mut why = None;
        for address in &self.addresses {
            match address.closed(now) {
                None => return None,
                Some(reason) => why = Some(reason),
            }
        }
        why
    }

    async fn run(
        self: Arc<Self>,
        request: InferenceRequest,
        model: Arc<Target>,
    ) -> Result<InferenceStream, InferenceError> {
        if request.context.boundary < self.site.boundary {
            return Err(InferenceError::new(
                ErrorKind::PolicyDenied,
                "the request's content may not travel to that upstream",
            ));
        }
        let deadline = request.context.deadline;
        let place = self.place(deadline).await?;
        self.retries.deposit();
        let mut tried = vec![false; self.addresses.len()];
        let mut last = None;
        while let Some(index) = self.pick(&tried) {
            let Some(address) = self.addresses.get(index) else {
                break;
            };
            if last.is_some() && !self.retries.withdraw() {
                break;
            }
            let lease = address.begin(Instant::now());
            let asked = self
                .speaker
                .ask(index, request.clone(), model.upstream_name.clone());
            let patience = deadline.min(Instant::now() + self.first_event);
            let answer = match timeout_at(patience, asked).await {
                Ok(answer) => answer,
                Err(_) if Instant::now() >= deadline => {
                    return Err(InferenceError::deadline_exceeded());
                }
                Err(_elapsed) => Err(Failure::of_address("it did not begin to answer in time")),
            };
            match answer {
                Ok(reply) => return Ok(self.answer(reply, &model, lease).with_permit(place)),
                Err(failure) => {
                    lease.failed(failure.blame, Instant::now());
                    telemetry::upstream_failed(&self.site.name, address.name(), &failure.error);
                    if failure.blame == Blame::Request {
                        return Err(failure.error);
                    }
                    last = Some(failure.error);
                }
            }
            if let Some(tried) = tried.get_mut(index) {
                *tried = true;
            }
        }
        Err(last.unwrap_or_else(|| {
            InferenceError::new(ErrorKind::Unavailable, "the upstream cannot serve now")
                .with_log(self.unavailable().unwrap_or_default())
        }))
    }

    /// A place among those under way, as soon as one is free; at once an error when too many wait.
    async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, InferenceError> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let _waits = self
            .waiting
            .try_acquire()
            .map_err(|_full| InferenceError::overloaded())?;
        let place = timeout_at(deadline, self.places.clone().acquire_owned()).await;
        let place = place.map_err(|_elapsed| InferenceError::deadline_exceeded())?;
        place.map_err(|_closed| InferenceError::internal())
    }

    /// The address that should answer first, of those that were not tried.
    fn pick(&self, tried: &[bool]) -> Option<usize> {
        let now = Instant::now();
        let open = self.addresses.iter().zip(tried).enumerate();
        open.filter(|(_, (address, tried))| !**tried && address.closed(now).is_none())
            .min_by(|(_, (one, _)), (_, (other, _))| one.load(now).total_cmp(&other.load(now)))
            .map(|(index, _)| index)
    }

    fn answer(&self, reply: Reply, model: &Arc<Target>, lease: address::Lease) -> InferenceStream {
        let served = Arc::new(Served {
            variant: Some(model.variant.to_string()),
            provider: Some(self.site.name.clone()),
            site: Some(self.site.name.clone()),
            ..Served::new(Placement::Cloud, model.name.clone())
        });
        match reply {
            Reply::Whole(Output::Generated(answers), usage) => {
                lease.whole(&model.pace, usage);
                InferenceStream::flowing(served, flow::pieces(answers, usage))
            }
            Reply::Whole(output, usage) => {
                lease.whole(&model.pace, usage);
                InferenceStream::once(served, output, usage)
            }
            Reply::Flowing(events) => {
                let watched = flow::watched(events, lease, model.pace.clone(), self.idle);
                InferenceStream::flowing(served, watched)
            }
        }
    }
}

/// A model at a service.
#[derive(Debug)]
pub(super) struct Target {
    name: ModelName,
    upstream_name: Arc<str>,
    variant: Arc<str>,
    pace: Arc<Pace>,
}

impl Target {
    /// `None` when callers cannot be told of it.
    pub(super) fn new(model: &UpstreamModel) -> Option<Self> {
        Some(Self {
            name: ModelName::new(&model.name)?,
            upstream_name: model.upstream_name().into(),
            variant: model.variant().into(),
            pace: Arc::new(Pace::new(
                model.first_token_ms / 1e3,
                1.0 / model.tokens_per_second,
            )),
        })
    }

    pub(super) fn name(&self) -> &ModelName {
        &self.name
    }

    pub(super) fn variant(&self) -> &Arc<str> {
        &self.variant
    }
}

/// One model at one service, as a backend.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) upstream: Arc<Upstream>,
    pub(super) target: Arc<Target>,
}

impl Backend for Handle {
    fn speed(&self) -> Measured {
        self.target.pace.measured()
    }

    fn unavailable(&self) -> Option<String> {
        self.upstream.unavailable()
    }

    fn run(
        &self,
        request: InferenceRequest,
    ) -> BoxFuture<'static, Result<InferenceStream, InferenceError>> {
        Box::pin(self.upstream.clone().run(request, self.target.clone()))
    }

    fn executor(&self) -> Executor {
        let handle = self.clone();
        Executor::Leaves(BoxEgressService::new(tower::service_fn(
            move |Egress {
                      request, permit, ..
                  }| handle.clone().leave(request, permit),
        )))
    }
}

impl Handle {
    /// Runs what was decided here; the permit is used up.
    async fn leave(
        self,
        mut request: InferenceRequest,
        permit: EgressPermit,
    ) -> Result<InferenceStream, InferenceError> {
        if permit.site().as_ref() != self.upstream.site.name {
            return Err(InferenceError::internal()
                .with_log("a permit for one site was given up at another"));
        }
        let allowed = placement::boundary_from_policy(permit.boundary());
        request.context.boundary = request.context.boundary.narrow(allowed);
        self.upstream.run(request, self.target).await
    }
}

#[cfg(test)]
mod tests;
