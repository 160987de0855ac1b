//! A gateway in this process on free ports, and clients that speak to it.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tideline_proto::tideline::admin::v1::admin_service_client::AdminServiceClient;
use tideline_proto::tideline::admin::v1::{ListDevicesRequest, ListOutcomesRequest, OutcomeRecord};
use tideline_proto::tideline::fleet::v1 as fleet;
use tideline_proto::tideline::fleet::v1::fleet_service_client::FleetServiceClient;
use tideline_proto::tideline::inference::v1::inference_service_client::InferenceServiceClient;
use tideline_proto::tideline::telemetry::v1::telemetry_service_client::TelemetryServiceClient;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::config::{Config, Listen, SiteBoundary, SiteConfig};
use crate::gateway::{Addresses, Gateway};

/// How long anything may take, on a machine that does much else.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// A gateway that runs.
pub(super) struct Running {
    pub(super) folder: TempDir,
    pub(super) addresses: Addresses,
    pub(super) stop: CancellationToken,
    pub(super) ended: JoinHandle<anyhow::Result<()>>,
}

pub(super) type Caller = InterceptedService<Channel, Bearer>;

/// Shows a token, or none.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    pub(super) fn of(token: &str) -> Self {
        Self(Some(format!("Bearer {token}").parse().unwrap()))
    }

    pub(super) const fn none() -> Self {
        Self(None)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(shown) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", shown.clone());
        }
        Ok(request)
    }
}

impl Running {
    /// A site that anybody runs.
    pub(super) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), SiteBoundary::Cloud).await
    }

    pub(super) async fn start_in(folder: TempDir, boundary: SiteBoundary) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let config = Config {
            state_dir: folder.path().join("state"),
            listen: Listen {
                grpc: any,
                http: any,
            },
            insecure_dev: true,
            site: SiteConfig {
                boundary,
                ..SiteConfig::default()
            },
            ..Config::default()
        };
        let gateway = Gateway::build(config).await.unwrap().bind().await.unwrap();
        let addresses = gateway.addresses().clone();
        let stop = CancellationToken::new();
        let ended = tokio::spawn(gateway.serve(stop.clone()));
        Self {
            folder,
            addresses,
            stop,
            ended,
        }
    }

    /// Asks it to end, and waits until it has; its folder stays.
    pub(super) async fn stop(self) -> TempDir {
        self.stop.cancel();
        let ended = tokio::time::timeout(LONG, self.ended).await;
        ended.unwrap().unwrap().unwrap();
        self.folder
    }

    pub(super) fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.addresses.grpc));
        endpoint.unwrap().connect_lazy()
    }

    pub(super) fn caller(&self, bearer: Bearer) -> Caller {
        InterceptedService::new(self.channel(), bearer)
    }

    pub(super) fn agent(&self) -> Bearer {
        Bearer::of(&read(&self.addresses.fleet_token))
    }

    pub(super) fn operator(&self) -> Bearer {
        Bearer::of(&read(&self.addresses.admin_token))
    }

    pub(super) fn fleet(&self) -> FleetServiceClient<Caller> {
        FleetServiceClient::new(self.caller(self.agent()))
    }

    pub(super) fn inference(&self) -> InferenceServiceClient<Caller> {
        InferenceServiceClient::new(self.caller(self.agent()))
    }

    pub(super) fn telemetry(&self) -> TelemetryServiceClient<Caller> {
        TelemetryServiceClient::new(self.caller(self.agent()))
    }

    pub(super) fn admin(&self) -> AdminServiceClient<Caller> {
        AdminServiceClient::new(self.caller(self.operator()))
    }

    /// Others are served whatever one caller did.
    pub(super) async fn still_serves(&self) {
        let mut client = self.admin();
        let asked = client.list_devices(ListDevicesRequest::default());
        asked.await.unwrap();
    }

    pub(super) async fn stored(&self) -> Vec<OutcomeRecord> {
        let mut client = self.admin();
        let asked = client.list_outcomes(ListOutcomesRequest::default());
        let answer: tonic::Response<_> = asked.await.unwrap();
        answer.into_inner().outcomes
    }
}

pub(super) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// An agent's side of a control stream.
pub(super) struct Attached {
    outbox: mpsc::Sender<fleet::AgentMessage>,
    hears: Streaming<fleet::GatewayMessage>,
    sequence: u64,
}

impl Attached {
    /// Says Hello as that device.
    pub(super) async fn greet(running: &Running, device_id: &str) -> Self {
        let hello = fleet::Hello {
            device_id: device_id.to_owned(),
            agent_version: "0.1.0".into(),
            protocol_min: 1,
            protocol_max: 1,
            ..fleet::Hello::default()
        };
        Self::begin(running, fleet::agent_message::Message::Hello(hello)).await
    }

    /// Begins with that message.
    pub(super) async fn begin(running: &Running, first: fleet::agent_message::Message) -> Self {
        let (outbox, inbox) = mpsc::channel(16);
        let mut client = running.fleet();
        let call = client.attach(ReceiverStream::new(inbox)).await;
        let mut attached = Self {
            outbox,
            hears: call.unwrap().into_inner(),
            sequence: 0,
        };
        attached.say(first).await;
        attached
    }

    pub(super) async fn say(&mut self, message: fleet::agent_message::Message) {
        self.sequence += 1;
        let message = fleet::AgentMessage {
            sequence: self.sequence,
            message: Some(message),
        };
        self.outbox.send(message).await.unwrap();
    }

    /// The next message of a gateway that is no hint, `None` when it ended the stream. Hints come when
    /// they come.
    pub(super) async fn hear(&mut self) -> Option<fleet::gateway_message::Message> {
        loop {
            match self.try_hear().await.unwrap() {
                Some(fleet::gateway_message::Message::Hints(_)) => {}
                other => return other,
            }
        }
    }

    pub(super) async fn try_hear(
        &mut self,
    ) -> Result<Option<fleet::gateway_message::Message>, Status> {
        let heard = tokio::time::timeout(LONG, self.hears.message());
        let heard = heard.await.expect("the gateway says something in time")?;
        Ok(heard.map(|heard| heard.message.unwrap()))
    }

    /// Waits until all that was said before is done.
    pub(super) async fn settled(&mut self) {
        let beat = fleet::Heartbeat {
            id: 77,
            ..fleet::Heartbeat::default()
        };
        self.say(fleet::agent_message::Message::Heartbeat(beat))
            .await;
        while !matches!(
            self.hear().await.expect("the stream goes on"),
            fleet::gateway_message::Message::Heartbeat(beat) if beat.answers == 77
        ) {}
    }
}
