//! The socket around the session: performs its actions, reports what happened, and shows the rest
//! of the agent how things stand.
//!
//! It decides nothing. One task, ended by `stop`; everything that can wake it is one enum.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand::RngExt as _;
use tideline_proto::tideline::fleet::v1::fleet_service_client::FleetServiceClient;
use tideline_proto::tideline::fleet::v1::{AgentMessage, GatewayMessage};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::endpoint::{GatewayChannel, GatewayEndpoint, brief};
use super::message::{FromGateway, Hello, Hints, Numbered};
use super::session::{Action, Event, LinkStatus, Session, Timing};
use super::{decode, encode};
use crate::budgets::Budgets;
use crate::inventory::Inventory;
use crate::spool::Spool;
use crate::telemetry;

/// Messages that may wait for a gateway that does not read; more, and it counts as lost.
const OUTGOING: usize = 16;
/// The largest message that a gateway may send.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// How often budgets are looked at: leases end by time, too.
const BUDGETS_EVERY: Duration = Duration::from_secs(5);
/// How long a last word may take to be heard.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How things stand with the gateway, for the rest of the agent.
#[derive(Clone, Debug)]
pub(crate) struct LinkView {
    /// Whether it is there, since when, and why not.
    pub(crate) status: LinkStatus,
    /// The connection that content and outcomes may use; only while attached.
    pub(crate) channel: Option<GatewayChannel>,
    /// What it can serve; believed for a while after it went away.
    pub(crate) hints: Option<Arc<Hints>>,
}

impl LinkView {
    /// Before anything was tried.
    #[must_use]
    pub(crate) fn new(now: Instant) -> Self {
        let status = LinkStatus::Away {
            since: now.into_std(),
            why: "not attached yet".into(),
        };
        Self {
            status,
            channel: None,
            hints: None,
        }
    }
}

/// What a link needs.
#[derive(Debug)]
pub(crate) struct LinkParts {
    /// Where the gateway is.
    pub(crate) endpoint: GatewayEndpoint,
    /// Who this agent is.
    pub(crate) hello: Hello,
    /// What it is and can do.
    pub(crate) inventory: watch::Receiver<Inventory>,
    /// What may be spent is told and asked over the link.
    pub(crate) budgets: Arc<Budgets>,
    /// Its figures travel with each heartbeat.
    pub(crate) spool: Arc<Spool>,
    /// Where the link shows how it stands.
    pub(crate) view: watch::Sender<LinkView>,
}

/// Keeps the agent attached until `stop`, and then says goodbye.
pub(crate) async fn run(parts: LinkParts, timing: Timing, stop: CancellationToken) {
    let inventory = parts.inventory.borrow().clone();
    let session = Session::new(
        parts.hello.clone(),
        inventory,
        timing,
        Instant::now().into_std(),
    );
    let mut link = Link {
        parts,
        session,
        channel: None,
        wire: Wire::None,
        budgets_at: Instant::now(),
    };
    loop {
        link.perform_all().await;
        let Some(woken) = link.woken(&stop).await else {
            break;
        };
        link.tell(woken);
    }
    link.session
        .handle(Event::Leave, Instant::now().into_std(), 0.0);
    link.perform_all().await;
}

struct Link {
    parts: LinkParts,
    session: Session,
    channel: Option<GatewayChannel>,
    wire: Wire,
    /// When budgets are looked at next.
    budgets_at: Instant,
}

type Connecting = std::pin::Pin<Box<dyn Future<Output = Result<GatewayChannel, String>> + Send>>;
type Opening =
    std::pin::Pin<Box<dyn Future<Output = Result<Streaming<GatewayMessage>, Status>> + Send>>;

/// The control stream, as far as it has come.
enum Wire {
    None,
    Connecting(Connecting),
    /// What the agent says can already be sent; the gateway has not answered yet.
    Opening(Opening, mpsc::Sender<AgentMessage>),
    Open(Box<Streaming<GatewayMessage>>, mpsc::Sender<AgentMessage>),
}

/// Everything that can wake a link.
enum Woken {
    Deadline,
    Changed,
    Budgets,
    Connected(Result<GatewayChannel, String>),
    Opened(Result<Streaming<GatewayMessage>, Status>),
    Heard(Result<Option<GatewayMessage>, Status>),
}

impl Link {
    /// Waits for the next thing that happens; nothing when the agent stops.
    async fn woken(&mut self, stop: &CancellationToken) -> Option<Woken> {
        let deadline = self.session.deadline();
        let passed = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let wire = async {
            match &mut self.wire {
                Wire::None => std::future::pending().await,
                Wire::Connecting(connecting) => Woken::Connected(connecting.await),
                Wire::Opening(opening, _) => Woken::Opened(opening.await),
                Wire::Open(incoming, _) => Woken::Heard(incoming.message().await),
            }
        };
        tokio::select! {
            () = stop.cancelled() => None,
            () = passed => Some(Woken::Deadline),
            Ok(()) = self.parts.inventory.changed() => Some(Woken::Changed),
            () = self.parts.budgets.ran_low() => Some(Woken::Budgets),
            () = sleep_until(self.budgets_at) => Some(Woken::Budgets),
            woken = wire => Some(woken),
        }
    }

    fn tell(&mut self, woken: Woken) {
        let (now, draw) = (Instant::now().into_std(), rand::rng().random());
        let event = match woken {
            Woken::Deadline => return self.session.wake(now, draw),
            Woken::Changed => {
                Event::Changed(Box::new(self.parts.inventory.borrow_and_update().clone()))
            }
            Woken::Budgets => self.budgets(),
            Woken::Connected(Ok(channel)) => {
                self.open(channel);
                Event::Connected
            }
            Woken::Connected(Err(why)) => self.lost(why),
            Woken::Opened(Ok(incoming)) => return self.opened(incoming),
            Woken::Opened(Err(status)) | Woken::Heard(Err(status)) => self.lost(brief(&status)),
            Woken::Heard(Ok(None)) => self.lost("the gateway closed the stream".into()),
            Woken::Heard(Ok(Some(message))) => match self.decoded(message) {
                Ok(message) => Event::Message(message),
                Err(lost) => lost,
            },
        };
        self.session.handle(event, now, draw);
    }

    /// What is to be said of budgets; nothing is while the gateway is away.
    fn budgets(&mut self) -> Event {
        self.budgets_at = Instant::now() + BUDGETS_EVERY;
        self.parts.budgets.tell_spent();
        let words = self.parts.budgets.words();
        if self.is_attached() {
            self.parts.budgets.told(&words.reports);
        }
        Event::Budgets(words)
    }

    fn is_attached(&self) -> bool {
        matches!(self.parts.view.borrow().status, LinkStatus::Attached { .. })
    }

    /// Opens the control stream. Hello goes out with it, before the gateway answers anything.
    fn open(&mut self, channel: GatewayChannel) {
        let (say, said) = mpsc::channel(OUTGOING);
        let mut client =
            FleetServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let opening = async move {
            let response = client.attach(ReceiverStream::new(said)).await?;
            Ok(response.into_inner())
        };
        self.channel = Some(channel);
        self.wire = Wire::Opening(Box::pin(opening), say);
    }

    fn opened(&mut self, incoming: Streaming<GatewayMessage>) {
        if let Wire::Opening(_, say) = std::mem::replace(&mut self.wire, Wire::None) {
            self.wire = Wire::Open(Box::new(incoming), say);
        }
    }

    fn decoded(&mut self, message: GatewayMessage) -> Result<FromGateway, Event> {
        match decode::message(message) {
            Ok((message, passed_over)) => {
                for problem in passed_over {
                    tracing::warn!(%problem, "a hint was passed over");
                }
                Ok(message)
            }
            Err(nonsense) => Err(self.lost(nonsense.to_string())),
        }
    }

    fn lost(&mut self, why: String) -> Event {
        self.let_go();
        Event::Lost(why)
    }

    fn let_go(&mut self) {
        self.wire = Wire::None;
        self.channel = None;
    }

    async fn perform_all(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Connect => self.connect(),
                Action::Send(numbered) => self.send(numbered),
                Action::Disconnect => self.disconnect().await,
                Action::Apply(hints) => self.show(|view| view.hints = Some(Arc::new(hints))),
                Action::Forget => self.show(|view| view.hints = None),
                Action::Take(budget, answer) => self.parts.budgets.take(&budget, answer),
                Action::Report(status) => {
                    // What is needed of budgets is asked for as soon as the gateway is there.
                    if !self.is_attached() {
                        self.budgets_at = Instant::now();
                    }
                    self.report(status);
                }
            }
        }
    }

    fn connect(&mut self) {
        let endpoint = self.parts.endpoint.clone();
        let connecting = async move { endpoint.connect().await.map_err(|error| error.to_string()) };
        self.wire = Wire::Connecting(Box::pin(connecting));
    }

    fn send(&mut self, numbered: Numbered) {
        let (Wire::Opening(_, say) | Wire::Open(_, say)) = &self.wire else {
            return;
        };
        let now = encode::Now {
            clock: SystemTime::now(),
            spool: self.parts.spool.figures(),
        };
        if say.try_send(encode::message(numbered, now)).is_err() {
            let lost = self.lost("the gateway does not read what is said".into());
            self.session
                .handle(lost, Instant::now().into_std(), rand::rng().random());
        }
    }

    /// Ends what the agent says, and waits a moment for the gateway to have heard it.
    async fn disconnect(&mut self) {
        if let Wire::Open(mut incoming, say) = std::mem::replace(&mut self.wire, Wire::None) {
            drop(say);
            let heard = async { while let Ok(Some(_)) = incoming.message().await {} };
            // A gateway that does not end its side in time is left all the same.
            timeout(LAST_WORD, heard).await.ok();
        }
        self.let_go();
    }

    fn report(&self, status: LinkStatus) {
        telemetry::link(&status, &self.parts.view.borrow().status);
        let channel = match status {
            LinkStatus::Attached { .. } => self.channel.clone(),
            LinkStatus::Away { .. } | LinkStatus::Refused { .. } => None,
        };
        self.show(|view| (view.status, view.channel) = (status, channel));
    }

    fn show(&self, change: impl FnOnce(&mut LinkView)) {
        self.parts.view.send_modify(change);
    }
}

#[cfg(test)]
mod tests;
