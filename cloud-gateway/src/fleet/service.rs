//! The socket around the session: one task for each control stream.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tideline_proto::tideline::fleet::v1 as wire;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};
use wire::fleet_service_server::FleetService;

use super::encode::Speaker;
use super::registry::{Place, Registry};
use super::session::{Action, Session, ToAgent};
use super::{decode, encode};
use crate::budgets::Budgets;
use crate::hints::{Hints, TIME_TO_LIVE};
use crate::store::{Store, StoreError};
use crate::telemetry;

/// Messages that wait for a slow agent; past it, the stream ends.
const OUTBOX: usize = 16;
/// How long agents may take to move elsewhere when the gateway stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How long a device's signs of life may go unwritten. Each write is synced, and a fleet has many.
const SEEN_WRITTEN_EVERY: Duration = Duration::from_secs(300);

/// The control plane.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub(crate) gateway_id: Arc<str>,
    pub(crate) hints: watch::Receiver<Arc<Hints>>,
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    pub(crate) budgets: Budgets,
    pub(crate) stop: CancellationToken,
    /// The tasks of all streams, which end before the store does.
    pub(crate) streams: TaskTracker,
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
            device: None,
        };
        self.streams.spawn(stream.run(request.into_inner()));
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
    device: Option<Device>,
}

/// Whose stream it is.
struct Device {
    place: Place,
    agent_version: String,
    seen_written: Instant,
}

/// The stream is over, and this is why.
struct Over(&'static str);

/// A session attaches before it has anything to keep.
const NOBODY: Over = Over("nobody was attached");

impl ControlStream {
    async fn run(
        mut self,
        messages: impl Stream<Item = Result<wire::AgentMessage, Status>> + Unpin,
    ) {
        let Over(why) = self.converse(messages).await;
        let device = self.device.as_mut();
        telemetry::detach(device.as_ref().map(|device| device.place.device_id()), why);
        if let Some(device) = device
            && let Err(error) = seen(&self.fleet.store, device).await
        {
            telemetry::store_failed(&error);
        }
    }

    async fn converse(
        &mut self,
        mut messages: impl Stream<Item = Result<wire::AgentMessage, Status>> + Unpin,
    ) -> Over {
        // Hints are told again before half of their time is over.
        let mut session = Session::new(Instant::now(), TIME_TO_LIVE.div_f64(2.5));
        let mut hints = self.fleet.hints.clone();
        loop {
            let wake = tokio::time::sleep_until(session.deadline().into());
            let actions = tokio::select! {
                heard = messages.next() => match heard {
                    Some(Ok(message)) => session.heard(decode::message(message), Instant::now()),
                    Some(Err(status)) => {
                        self.outbox.try_send(Err(status)).ok();
                        return Over("the stream broke");
                    }
                    None => return Over("the agent said no more"),
                },
                () = wake => session.wake(Instant::now()),
                Ok(()) = hints.changed() => session.hints_changed(Instant::now()),
                () = replaced(self.device.as_ref()) => session.replaced(),
                () = self.fleet.stop.cancelled(), if !session.is_draining() => {
                    session.drain(DRAIN_WITHIN, Instant::now())
                }
                () = self.outbox.closed() => return Over("the agent listens no more"),
            };
            for action in actions {
                if let Err(over) = self.act(action, &mut session).await {
                    return over;
                }
            }
        }
    }

    async fn act(&mut self, action: Action, session: &mut Session) -> Result<(), Over> {
        match action {
            Action::Say(said) => self.say(said),
            Action::Attach {
                device_id,
                agent_version,
            } => {
                let Some(place) = self.fleet.registry.attach(&device_id, SystemTime::now()) else {
                    return self.turn_away(session);
                };
                telemetry::attach(&device_id, &agent_version);
                self.device = Some(Device {
                    place,
                    agent_version,
                    seen_written: Instant::now(),
                });
                Ok(())
            }
            Action::Budget { reports, ask } => {
                let device = self.device.as_ref().ok_or(NOBODY)?;
                let id = device.place.device_id();
                match self.fleet.budgets.ask(id, &reports, ask.as_ref()).await {
                    Ok(answer) => match ask.zip(answer) {
                        Some((ask, answer)) => self.say(ToAgent::Budget(ask.budget, answer)),
                        None => Ok(()),
                    },
                    Err(error) => self.kept(Err(error)),
                }
            }
            Action::Keep(state) => {
                let device = self.device.as_ref().ok_or(NOBODY)?;
                let (id, state) = (device.place.device_id(), state.to_bytes());
                let kept = self.fleet.store.keep_device(
                    id,
                    &device.agent_version,
                    &state,
                    SystemTime::now(),
                );
                self.kept(kept.await)
            }
            Action::Seen { rtt } => {
                let device = self.device.as_mut().ok_or(NOBODY)?;
                device.place.note(rtt, SystemTime::now());
                if device.seen_written.elapsed() < SEEN_WRITTEN_EVERY {
                    return Ok(());
                }
                let kept = seen(&self.fleet.store, device).await;
                self.kept(kept)
            }
            Action::End(why) => Err(Over(why)),
        }
    }

    fn say(&self, said: ToAgent) -> Result<(), Over> {
        let hints = self.fleet.hints.borrow().clone();
        let speaker = Speaker {
            gateway_id: &self.fleet.gateway_id,
            hints: &hints,
            clock: SystemTime::now(),
        };
        // An agent that does not read is let go rather than waited for.
        self.outbox
            .try_send(Ok(encode::message(said, &speaker)))
            .map_err(|_full| Over("the agent does not read"))
    }

    /// There is no room for another device.
    fn turn_away(&self, session: &mut Session) -> Result<(), Over> {
        telemetry::too_many();
        for action in session.no_room() {
            if let Action::Say(said) = action {
                self.say(said)?;
            }
        }
        Err(Over("there was no room"))
    }

    /// A gateway that cannot write is no use to an agent: another may be.
    fn kept(&self, kept: Result<(), StoreError>) -> Result<(), Over> {
        kept.map_err(|error| {
            telemetry::store_failed(&error);
            let unavailable = Status::unavailable("the gateway cannot store what you told");
            self.outbox.try_send(Err(unavailable)).ok();
            Over("the gateway could not write")
        })
    }
}

/// Writes down that the device was there.
async fn seen(store: &Store, device: &mut Device) -> Result<(), StoreError> {
    device.seen_written = Instant::now();
    store
        .seen(device.place.device_id(), SystemTime::now())
        .await
}

async fn replaced(device: Option<&Device>) {
    match device {
        Some(device) => device.place.replaced().await,
        None => std::future::pending().await,
    }
}
