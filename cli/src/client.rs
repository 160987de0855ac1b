//! The way to the gateway, and what can go wrong on it.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tideline_proto::tideline::admin::v1 as wire;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use wire::admin_service_client::AdminServiceClient;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    Failed(String),
    Usage(String),
    NotFound(String),
    Unreachable(String),
}

impl Failure {
    /// What scripts can rely on.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Unreachable(_) => 4,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message)
            | Self::Usage(message)
            | Self::NotFound(message)
            | Self::Unreachable(message) => f.write_str(message),
        }
    }
}

/// A gateway to ask.
pub(crate) struct Gateway {
    client: AdminServiceClient<InterceptedService<Channel, Bearer>>,
    url: String,
}

/// Shows the operators' token.
struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl Gateway {
    /// The gateway at `url`, shown the token in `token_file`. It is reached at the first question.
    pub(crate) fn connect(url: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let path = token_file.ok_or_else(|| {
            Failure::Usage(
                "an operator's token is needed: name the gateway's admin.token with --token-file"
                    .into(),
            )
        })?;
        let token = std::fs::read_to_string(path).map_err(|error| {
            Failure::Usage(format!(
                "could not read the token {}: {error}",
                path.display()
            ))
        })?;
        let bearer = format!("Bearer {}", token.trim()).parse();
        let mut bearer: MetadataValue<Ascii> = bearer
            .map_err(|_invalid| Failure::Usage(format!("{} holds no token", path.display())))?;
        bearer.set_sensitive(true);
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_invalid| {
            Failure::Usage(format!(
                "`{url}` is no address, expected one such as http://127.0.0.1:7080"
            ))
        })?;
        let channel = endpoint
            .connect_timeout(Duration::from_secs(5))
            .timeout(TIMEOUT)
            .connect_lazy();
        let client = AdminServiceClient::new(InterceptedService::new(channel, Bearer(bearer)));
        Ok(Self {
            client: client.max_decoding_message_size(MAX_ANSWER_BYTES),
            url: url.to_owned(),
        })
    }

    /// Every device, page after page.
    pub(crate) async fn devices(&mut self) -> Result<Vec<wire::Device>, Failure> {
        let mut devices = Vec::new();
        let mut page_token = String::new();
        loop {
            let question = wire::ListDevicesRequest {
                page_size: 1000,
                page_token,
            };
            let page = self
                .client
                .list_devices(question)
                .await
                .map_err(|status| self.failure(&status))?
                .into_inner();
            devices.extend(page.devices);
            if page.next_page_token.is_empty() {
                return Ok(devices);
            }
            page_token = page.next_page_token;
        }
    }

    pub(crate) async fn device(&mut self, id: String) -> Result<wire::Device, Failure> {
        let question = wire::GetDeviceRequest { id };
        let answer = self.client.get_device(question).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// The newest outcomes, at most `limit`.
    pub(crate) async fn outcomes(
        &mut self,
        device_id: String,
        limit: usize,
    ) -> Result<Vec<wire::OutcomeRecord>, Failure> {
        let mut outcomes = Vec::new();
        let mut page_token = String::new();
        while outcomes.len() < limit {
            let left = u32::try_from(limit - outcomes.len())
                .unwrap_or(u32::MAX)
                .min(1000);
            let question = wire::ListOutcomesRequest {
                device_id: device_id.clone(),
                page_size: left,
                page_token,
            };
            let page = self
                .client
                .list_outcomes(question)
                .await
                .map_err(|status| self.failure(&status))?
                .into_inner();
            outcomes.extend(page.outcomes);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(outcomes)
    }

    pub(crate) async fn decision(
        &mut self,
        decision_id: String,
    ) -> Result<wire::OutcomeRecord, Failure> {
        let question = wire::GetDecisionRequest { decision_id };
        let answer = self.client.get_decision(question).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// The documents of the policy of that hash; nothing when the gateway has another.
    pub(crate) async fn policy(&mut self, hash: String) -> Result<Option<String>, Failure> {
        let question = wire::GetPolicyRequest { hash };
        match self.client.get_policy(question).await {
            Ok(answer) => Ok(Some(answer.into_inner().documents)),
            // An older gateway keeps none.
            Err(status) if matches!(status.code(), Code::NotFound | Code::Unimplemented) => {
                Ok(None)
            }
            Err(status) => Err(self.failure(&status)),
        }
    }

    pub(crate) async fn served(&mut self) -> Result<Vec<wire::ServedCount>, Failure> {
        let answer = self.client.get_served(wire::GetServedRequest {}).await;
        Ok(answer
            .map_err(|status| self.failure(&status))?
            .into_inner()
            .counts)
    }

    fn failure(&self, status: &Status) -> Failure {
        let url = &self.url;
        match status.code() {
            Code::NotFound => Failure::NotFound(status.message().to_owned()),
            Code::Unavailable if std::error::Error::source(status).is_some() => {
                Failure::Unreachable(format!(
                    "the gateway at {url} cannot be reached; is it running, and is this its gRPC address?"
                ))
            }
            Code::Unauthenticated => Failure::Failed(format!(
                "the gateway at {url} does not take this token: {}",
                status.message()
            )),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Failure::Failed(format!(
                "the gateway at {url} did not answer: {}",
                status.message()
            )),
        }
    }
}
