//! The socket around the session: one task for each control stream.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tideline_proto::tideline::fleet::v1 as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use wire::fleet_service_server::FleetService;

use super::encode::Speaker;
use super::registry::{Place, Registry};
use super::session::{Action, Session};
use super::{decode, encode};
use crate::hints::{Hints, TIME_TO_LIVE};
use crate::store::Store;
use crate::telemetry;

/// Messages that wait for a slow agent; past it, the stream ends.
const OUTBOX: usize = 16;
/// How long agents may take to move elsewhere when the gateway stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// The control plane.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub(crate) gateway_id: Arc<str>,
    pub(crate) hints: Arc<Hints>,
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    pub(crate) stop: CancellationToken,
}

#[tonic::async_trait]
impl FleetService for Fleet {
    type AttachStream = BoxStream<'static, Result<wire::GatewayMessage, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<wire::AgentMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let stream = ControlStream {
            fleet: self.clone(),
            outbox,
            place: None,
            agent_version: String::new(),
        };
        tokio::spawn(stream.run(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(inbox).boxed()))
    }

    async fn poll(
        &self,
        _request: Request<wire::PollRequest>,
    ) -> Result<Response<wire::PollResponse>, Status> {
        Err(Status::unimplemented(
            "this gateway is reached by a stream alone",
        ))
    }
}

/// One control stream, as long as it lasts.
struct ControlStream {
    fleet: Fleet,
    outbox: mpsc::Sender<Result<wire::GatewayMessage, Status>>,
    place: Option<Place>,
    agent_version: String,
}

/// The stream is over.
struct Over;

impl ControlStream {
    async fn run(
        mut self,
        mut messages: impl Stream<Item = Result<wire::AgentMessage, Status>> + Unpin,
    ) {
        // Hints are told again before half of their time is over.
        let mut session = Session::new(Instant::now(), TIME_TO_LIVE.div_f64(2.5));
        loop {
            let wake = tokio::time::sleep_until(session.deadline().into());
            let actions = tokio::select! {
                heard = messages.next() => match heard {
                    Some(Ok(message)) => session.heard(decode::message(message), Instant::now()),
                    Some(Err(_)) | None => return,
                },
                () = wake => session.wake(Instant::now()),
                () = replaced(self.place.as_ref()) => session.replaced(),
                () = self.fleet.stop.cancelled() => session.drain(DRAIN_WITHIN),
                () = self.outbox.closed() => return,
            };
            for action in actions {
                if self.act(action).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), Over> {
        match action {
            Action::Say(said) => {
                let speaker = Speaker {
                    gateway_id: &self.fleet.gateway_id,
                    hints: &self.fleet.hints,
                    clock: SystemTime::now(),
                };
                // An agent that does not read is let go rather than waited for.
                self.outbox
                    .try_send(Ok(encode::message(said, &speaker)))
                    .map_err(|_full| Over)
            }
            Action::Attach {
                device_id,
                agent_version,
            } => {
                self.place = self.fleet.registry.attach(&device_id);
                self.agent_version = agent_version;
                if self.place.is_none() {
                    telemetry::too_many();
                    let full = Status::resource_exhausted("too many devices are attached here");
                    self.outbox.try_send(Err(full)).map_err(|_full| Over)?;
                    return Err(Over);
                }
                telemetry::attach(&device_id, &self.agent_version);
                Ok(())
            }
            Action::Keep(state) => {
                let Some((place, bytes)) = self.place.as_ref().zip(state.to_bytes()) else {
                    return Err(Over);
                };
                let kept = self.fleet.store.keep_device(
                    place.device_id(),
                    &self.agent_version,
                    &bytes,
                    SystemTime::now(),
                );
                self.kept(kept.await)
            }
            Action::Seen { rtt } => {
                let Some(place) = &self.place else {
                    return Err(Over);
                };
                if let Some(rtt) = rtt {
                    place.note(rtt);
                }
                let seen = self.fleet.store.seen(place.device_id(), SystemTime::now());
                self.kept(seen.await)
            }
            Action::End(why) => {
                let device = self.place.as_ref().map(Place::device_id);
                telemetry::detach(device, why);
                Err(Over)
            }
        }
    }

    /// A gateway that cannot write is no use to an agent: another may be.
    fn kept(&self, kept: Result<(), crate::store::StoreError>) -> Result<(), Over> {
        kept.map_err(|error| {
            telemetry::store_failed(&error);
            let unavailable = Status::unavailable("the gateway cannot store what you told");
            self.outbox.try_send(Err(unavailable)).ok();
            Over
        })
    }
}

async fn replaced(place: Option<&Place>) {
    match place {
        Some(place) => place.replaced().await,
        None => std::future::pending().await,
    }
}
