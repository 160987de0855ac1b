//! Servers that speak the Open Inference Protocol over gRPC: Triton, KServe, MLServer, and a gateway
//! like this one.
//!
//! Whoever asks it has held the request's boundary against the server's.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use inference_api::oip::client;
use inference_api::{
    ErrorKind, InferenceError, InferenceRequest, ModelCard, ModelName, Output, Task, TaskKind,
    Usage,
};
use router_policy::Probability;
use tideline_proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use tideline_proto::inference::{ModelMetadataRequest, ServerReadyRequest};
use tokio::time::{Instant, timeout};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use super::Offer;
use super::upstream::{Blame, Failure, Handle, Reply, Speaker, Target, Upstream};
use crate::config::{UpstreamConfig, UpstreamModel, UpstreamTask};

/// Its name among the kinds of backend.
const KIND: &str = "oip";
/// Largest message either way, in bytes.
const MAX_MESSAGE: usize = 65 << 20;
/// How long a server that has too much to do is left alone.
const THROTTLED: Duration = Duration::from_secs(1);
/// How long the start waits for a server to tell of its models.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

type Server = GrpcInferenceServiceClient<Channel>;

/// Everything that the server serves. What it tells of its models is asked once; a server that is
/// away is believed to have what is configured.
pub(super) async fn open(config: &UpstreamConfig) -> anyhow::Result<Vec<Offer>> {
    let key = config.read_key()?;
    let authorization = key
        .map(|key| {
            let mut value: MetadataValue<Ascii> = format!("Bearer {}", key.expose()).parse()?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        })
        .transpose()?;
    let server = |url: &String| server(config, url);
    let speaker = Arc::new(Oip {
        servers: config.urls.iter().map(server).collect::<Result<_, _>>()?,
        authorization,
    });
    let upstream = Upstream::open(config, speaker.clone());
    let mut offers = Vec::new();
    for model in &config.models {
        let odd = |task: &UpstreamTask| !matches!(task, UpstreamTask::Infer);
        anyhow::ensure!(
            !model.tasks.iter().any(odd),
            "the model `{}`: the Open Inference Protocol carries the task `infer` alone",
            model.name
        );
        let target = Target::new(model).context("a model's name is none")?;
        offers.push(Offer {
            kind: KIND,
            site: upstream.site().clone(),
            variant: target.variant().clone(),
            provider: upstream.site().name.as_str().into(),
            cards: vec![speaker.card(model, target.name()).await],
            price: model.price(),
            p_error: Probability::new(model.error_probability),
            counter: None,
            backend: Arc::new(Handle {
                upstream: upstream.clone(),
                target: Arc::new(target),
            }),
        });
    }
    Ok(offers)
}

fn server(config: &UpstreamConfig, url: &str) -> anyhow::Result<Server> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())?
        .connect_timeout(config.timeouts.connect())
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(30));
    if url.starts_with("https") {
        let tls = match config.read_authorities()? {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls)?;
    }
    Ok(Server::new(endpoint.connect_lazy())
        .max_encoding_message_size(MAX_MESSAGE)
        .max_decoding_message_size(MAX_MESSAGE))
}

/// The speaker of the Open Inference Protocol.
#[derive(Debug)]
struct Oip {
    servers: Vec<Server>,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Oip {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", authorization.clone());
        }
        request
    }

    /// What the first server tells of a model, or what every model is without that.
    async fn card(&self, model: &UpstreamModel, name: &ModelName) -> Arc<ModelCard> {
        let plain = || Arc::new(ModelCard::new(name.clone(), TaskKind::Infer));
        let Some(server) = self.servers.first() else {
            return plain();
        };
        let mut server = server.clone();
        let asked = server.model_metadata(self.request(ModelMetadataRequest {
            name: model.upstream_name().to_owned(),
            version: String::new(),
        }));
        let told = match timeout(TOLD_WITHIN, asked).await {
            Ok(Ok(told)) => client::card(told.into_inner(), name),
            Ok(Err(_)) | Err(_) => None,
        };
        told.unwrap_or_else(plain)
    }
}

impl Speaker for Oip {
    fn ask(
        &self,
        address: usize,
        request: InferenceRequest,
        model: Arc<str>,
    ) -> BoxFuture<'static, Result<Reply, Failure>> {
        let remaining = request
            .context
            .deadline
            .saturating_duration_since(Instant::now());
        let (Some(server), Task::Infer(task)) = (self.servers.get(address), request.task) else {
            let failure = Failure::unsupported("the upstream does not do this task");
            return Box::pin(async { Err(failure) });
        };
        let mut server = server.clone();
        let mut call = self.request(client::request(task, &model));
        call.set_timeout(remaining.max(Duration::from_millis(1)));
        Box::pin(async move {
            let answer = server.model_infer(call).await;
            let answer = answer.map_err(|status| failure(&status))?.into_inner();
            let tensors = client::outputs(answer).ok_or_else(|| {
                Failure::of_address("a tensor of its answer is not what it says it is")
            })?;
            Ok(Reply::Whole(Output::Tensors(tensors), Usage::default()))
        })
    }

    fn look(&self, address: usize) -> BoxFuture<'static, Result<(), String>> {
        let Some(server) = self.servers.get(address) else {
            return Box::pin(async { Err("there is no such address".into()) });
        };
        let mut server = server.clone();
        let call = self.request(ServerReadyRequest {});
        Box::pin(async move {
            match server.server_ready(call).await {
                Ok(told) if told.get_ref().ready => Ok(()),
                Ok(_) => Err("it says that it is not ready".into()),
                Err(status) => Err(format!("it answered {}", status.code())),
            }
        })
    }
}

/// What a failed call means. A server's own words go to the caller alone: they may repeat content.
fn failure(status: &Status) -> Failure {
    let log = format!("it answered {}", status.code());
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => {
            let shown = status.message().chars().filter(|c| !c.is_control());
            let message: String = shown.take(512).collect();
            Failure {
                error: InferenceError::new(ErrorKind::InvalidRequest, message).with_log(log),
                blame: Blame::Request,
            }
        }
        Code::ResourceExhausted => Failure {
            error: InferenceError::overloaded().with_log(log),
            blame: Blame::Throttled(THROTTLED),
        },
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => Failure::of_address(log),
    }
}
