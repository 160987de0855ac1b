//! The one door by which content leaves this laptop.
//!
//! No other file names a client that carries content, and this one sends nothing without an
//! [`EgressPermit`], which only a decision whose boundary allows it can mint and which is used up
//! here. It keeps nothing and retries nothing: what fails is told at once, so that the router can
//! run the request elsewhere.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use inference_api::{ErrorKind, InferenceError, InferenceRequest, InferenceStream};
use placement::{DecisionId, Egress};
use router_policy::EgressPermit;
use tideline_proto::tideline::inference::v1::inference_service_client::InferenceServiceClient;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tower::Service;

use super::{decode, encode};
use crate::fleet::{GatewayChannel, LinkView};

/// The largest message either way: the local API's bound on tensors, and room for names.
const MAX_MESSAGE_BYTES: usize = 65 << 20;

/// Runs requests of one model at one site, over whichever connection to the gateway stands.
#[derive(Clone, Debug)]
pub(super) struct RemoteExecutor {
    link: watch::Receiver<LinkView>,
    model: Arc<str>,
    variant: Arc<str>,
    site: Arc<str>,
}

impl RemoteExecutor {
    pub(super) fn new(
        link: watch::Receiver<LinkView>,
        model: Arc<str>,
        variant: Arc<str>,
        site: Arc<str>,
    ) -> Self {
        Self {
            link,
            model,
            variant,
            site,
        }
    }

    async fn run(
        self,
        request: InferenceRequest,
        permit: EgressPermit,
        decision: DecisionId,
    ) -> Result<InferenceStream, InferenceError> {
        let deadline = request.context.deadline;
        if permit.site() != self.site {
            return Err(InferenceError::internal()
                .with_log("a permit for one site was given up at another"));
        }
        let channel = self.link.borrow().channel.clone().ok_or_else(away)?;
        let answer = timeout_at(
            deadline,
            self.exchange(
                channel,
                Egress {
                    request,
                    permit,
                    decision,
                },
            ),
        );
        match answer.await {
            Ok(Ok(stream)) => Ok(stream),
            // The transport keeps the deadline as well, and has another name for it.
            Ok(Err(error)) if Instant::now() < deadline => Err(error),
            Ok(Err(_)) | Err(_) => Err(InferenceError::deadline_exceeded()),
        }
    }

    /// Sends the request and reads its whole answer: until it is complete nothing was promised to
    /// the caller, and another placement can still serve.
    async fn exchange(
        &self,
        channel: GatewayChannel,
        egress: Egress,
    ) -> Result<InferenceStream, InferenceError> {
        let Egress {
            request,
            permit,
            decision,
        } = egress;
        let remaining = request
            .context
            .deadline
            .saturating_duration_since(Instant::now());
        let asked = decode::Asked::of(&request);
        let terms = encode::Terms {
            boundary: permit.boundary(),
            decision,
            remaining,
            model: &self.model,
            variant: &self.variant,
        };
        let mut message = tonic::Request::new(encode::execute(request, &terms));
        message.set_timeout(remaining.max(Duration::from_millis(1)));

        let mut client = InferenceServiceClient::new(channel)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut events = client
            .execute(message)
            .await
            .map_err(|status| decode::error(&status))?
            .into_inner();
        if let decode::Asked::Text = asked {
            return decode::flowing(events).await;
        }
        let mut answer = decode::Answer::new(asked);
        while let Some(event) = events
            .message()
            .await
            .map_err(|status| decode::error(&status))?
        {
            answer.take(event)?;
        }
        answer.finish()
    }
}

impl Service<Egress> for RemoteExecutor {
    type Response = InferenceStream;
    type Error = InferenceError;
    type Future = BoxFuture<'static, Result<InferenceStream, InferenceError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), InferenceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(
        &mut self,
        Egress {
            request,
            permit,
            decision,
        }: Egress,
    ) -> Self::Future {
        Box::pin(self.clone().run(request, permit, decision))
    }
}

fn away() -> InferenceError {
    InferenceError::new(ErrorKind::Unavailable, "the gateway cannot be reached")
}

#[cfg(test)]
mod tests;
