//! A gateway of a few lines, for tests: real sockets, real gRPC, and nothing that it does not show.
//!
//! It lives on a runtime of its own, so that killing it cuts every connection at once, as the death
//! of a process does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tideline_proto::tideline::fleet::v1 as fleet;
use tideline_proto::tideline::inference::v1 as inference;
use tideline_proto::tideline::policy::v1 as policy;
use tideline_proto::tideline::telemetry::v1 as telemetry;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use fleet::agent_message::Message as FromAgent;
use fleet::fleet_service_server::{FleetService, FleetServiceServer};
use fleet::gateway_message::Message as ToAgent;
use inference::inference_service_server::{InferenceService, InferenceServiceServer};
use telemetry::telemetry_service_server::{TelemetryService, TelemetryServiceServer};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What a gateway has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) hellos: Vec<fleet::Hello>,
    pub(crate) states: Vec<fleet::DeviceState>,
    pub(crate) goodbyes: usize,
    /// Outcomes by their sequence, as a database would keep them.
    pub(crate) outcomes: BTreeMap<u64, telemetry::Outcome>,
    /// How often an outcome arrived that was there already.
    pub(crate) repeated: usize,
    pub(crate) tokens: Vec<Option<String>>,
}

/// How a gateway serves a request.
pub(crate) type Serve = fn(inference::ExecuteRequest) -> Answers<inference::ExecuteEvent>;

/// A gateway that runs.
pub(crate) struct FakeGateway {
    runtime: Option<tokio::runtime::Runtime>,
    pub(crate) address: SocketAddr,
    pub(crate) seen: watch::Receiver<Seen>,
    pub(crate) executed: Arc<Mutex<Vec<inference::ExecuteRequest>>>,
}

impl FakeGateway {
    /// One at any free port.
    pub(crate) fn start(serve: Serve) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), serve)
    }

    pub(crate) fn start_at(address: SocketAddr, serve: Serve) -> Self {
        let builder = &mut tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let (seen, watched) = watch::channel(Seen::default());
        let executed = Arc::new(Mutex::new(Vec::new()));
        let service = Service {
            seen: Arc::new(seen),
            executed: executed.clone(),
            serve,
        };
        // The port of a gateway that was killed is free a moment later.
        let listener = loop {
            match runtime_enter(&runtime, || std::net::TcpListener::bind(address)) {
                Ok(listener) => break listener,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse),
            }
        };
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(FleetServiceServer::new(service.clone()))
            .add_service(TelemetryServiceServer::new(service.clone()))
            .add_service(InferenceServiceServer::new(service));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            server
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
        });
        Self {
            runtime: Some(runtime),
            address,
            seen: watched,
            executed,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection at once.
    pub(crate) fn kill(mut self) -> SocketAddr {
        self.shut();
        self.address
    }

    /// Waits until the gateway has seen it.
    pub(crate) async fn sees(&mut self, what: impl FnMut(&Seen) -> bool) -> Seen {
        let waited = tokio::time::timeout(Duration::from_secs(20), self.seen.wait_for(what)).await;
        waited
            .expect("the gateway sees it within 20 s")
            .unwrap()
            .clone()
    }

    fn shut(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for FakeGateway {
    fn drop(&mut self) {
        self.shut();
    }
}

fn runtime_enter<T>(runtime: &tokio::runtime::Runtime, run: impl FnOnce() -> T) -> T {
    let _entered = runtime.enter();
    run()
}

#[derive(Clone)]
struct Service {
    seen: Arc<watch::Sender<Seen>>,
    executed: Arc<Mutex<Vec<inference::ExecuteRequest>>>,
    serve: Serve,
}

#[tonic::async_trait]
impl FleetService for Service {
    type AttachStream = Answers<fleet::GatewayMessage>;

    async fn attach(
        &self,
        request: Request<Streaming<fleet::AgentMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let token = request
            .metadata()
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        self.seen
            .send_modify(|seen| seen.tokens.push(token.map(str::to_owned)));
        let mut said = request.into_inner();
        let (say, answers) = mpsc::channel(16);
        let seen = self.seen.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = said.message().await {
                for answer in answer(message, &seen) {
                    let message = fleet::GatewayMessage {
                        message: Some(answer),
                    };
                    if say.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn poll(
        &self,
        _: Request<fleet::PollRequest>,
    ) -> Result<Response<fleet::PollResponse>, Status> {
        Err(Status::unimplemented("only streams"))
    }
}

fn answer(message: fleet::AgentMessage, seen: &watch::Sender<Seen>) -> Vec<ToAgent> {
    match message.message {
        Some(FromAgent::Hello(hello)) => {
            seen.send_modify(|seen| seen.hellos.push(hello));
            vec![welcome(), hints()]
        }
        Some(FromAgent::State(state) | FromAgent::Delta(state)) => {
            seen.send_modify(|seen| seen.states.push(state));
            Vec::new()
        }
        Some(FromAgent::Heartbeat(beat)) => {
            let answers = beat.id;
            vec![ToAgent::Heartbeat(fleet::Heartbeat {
                id: answers,
                answers,
                ..Default::default()
            })]
        }
        Some(FromAgent::Goodbye(_)) => {
            seen.send_modify(|seen| seen.goodbyes += 1);
            Vec::new()
        }
        Some(FromAgent::Ack(_) | FromAgent::Nack(_) | FromAgent::BudgetRequest(_)) | None => {
            Vec::new()
        }
    }
}

fn welcome() -> ToAgent {
    ToAgent::Welcome(fleet::Welcome {
        gateway_id: "fake".into(),
        protocol: 1,
        heartbeat_interval: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        ..Default::default()
    })
}

fn hints() -> ToAgent {
    let hint = fleet::BackendHint {
        site: Some(policy::Site {
            name: "cloud".into(),
            boundary: policy::Boundary::Cloud.into(),
        }),
        model: "minilm".into(),
        task: policy::Task::Embedding.into(),
        variant: "fp32".into(),
        provider: "cpu".into(),
        usd_per_million_tokens: Some(0.02),
        fixed_seconds: 0.001,
        ..Default::default()
    };
    ToAgent::Hints(fleet::Hints {
        time_to_live: Some(prost_types::Duration {
            seconds: 600,
            nanos: 0,
        }),
        backends: vec![hint],
        estimates: Vec::new(),
    })
}

#[tonic::async_trait]
impl TelemetryService for Service {
    type ReportOutcomesStream = Answers<telemetry::OutcomeAck>;

    async fn report_outcomes(
        &self,
        request: Request<Streaming<telemetry::OutcomeBatch>>,
    ) -> Result<Response<Self::ReportOutcomesStream>, Status> {
        let seen = self.seen.clone();
        let acks = request.into_inner().map(move |batch| {
            let batch = batch?;
            let through_sequence = batch.outcomes.last().map_or(0, |outcome| outcome.sequence);
            seen.send_modify(|seen| {
                for outcome in batch.outcomes {
                    seen.repeated +=
                        usize::from(seen.outcomes.insert(outcome.sequence, outcome).is_some());
                }
            });
            Ok(telemetry::OutcomeAck { through_sequence })
        });
        Ok(Response::new(Box::pin(acks)))
    }
}

#[tonic::async_trait]
impl InferenceService for Service {
    type ExecuteStream = Answers<inference::ExecuteEvent>;
    type SplitStream = Answers<inference::SplitResult>;

    async fn execute(
        &self,
        request: Request<inference::ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let request = request.into_inner();
        self.executed.lock().unwrap().push(request.clone());
        Ok(Response::new((self.serve)(request)))
    }

    async fn split(
        &self,
        _: Request<Streaming<inference::SplitStep>>,
    ) -> Result<Response<Self::SplitStream>, Status> {
        Err(Status::unimplemented("no splits"))
    }
}

/// The events of an embedding: for each text the vector `[1, 0]`.
pub(crate) fn embeddings(request: &inference::ExecuteRequest) -> Vec<inference::ExecuteEvent> {
    let texts = match &request.task {
        Some(inference::execute_request::Task::Embedding(embedding)) => embedding.inputs.len(),
        _ => 0,
    };
    let values: Vec<u8> = [1.0_f32, 0.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let vectors = vec![
        inference::Vector {
            values: values.into()
        };
        texts
    ];
    let served = inference::Served {
        model: request.model.clone(),
        variant: "fp32".into(),
        provider: "cpu".into(),
        site: "cloud".into(),
    };
    let usage = inference::Usage {
        prompt_tokens: 5,
        ..Default::default()
    };
    let done = inference::Done {
        usage: Some(usage),
        cost_usd: Some(1e-7),
        site_seconds: 0.001,
    };
    use inference::execute_event::Event;
    [
        Event::Served(served),
        Event::Embeddings(inference::Embeddings { vectors }),
        Event::Done(done),
    ]
    .map(|event| inference::ExecuteEvent { event: Some(event) })
    .into()
}

/// Serves every embedding.
pub(crate) fn well(request: inference::ExecuteRequest) -> Answers<inference::ExecuteEvent> {
    Box::pin(tokio_stream::iter(embeddings(&request).into_iter().map(Ok)))
}
