//! The gRPC side of running requests.

use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, BoxStream, StreamExt as _};
use inference_api::{InferenceError, Limits, status};
use tideline_proto::tideline::inference::v1 as wire;
use tonic::{Request, Response, Status, Streaming};
use wire::inference_service_server::InferenceService;

use super::{decode, encode};
use crate::backends::Backends;
use crate::telemetry;

/// Runs what agents send.
#[derive(Clone, Debug)]
pub(crate) struct Inference {
    pub(crate) backends: Arc<Backends>,
    pub(crate) limits: Limits,
}

#[tonic::async_trait]
impl InferenceService for Inference {
    type ExecuteStream = BoxStream<'static, Result<wire::ExecuteEvent, Status>>;

    async fn execute(
        &self,
        request: Request<wire::ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let begun = Instant::now();
        let refuse = |error: &InferenceError| {
            telemetry::execute_failed(error);
            status(error)
        };
        let message = request.into_inner();
        let reached = self
            .backends
            .reach(decode::boundary(&message), &message.model)
            .map_err(|error| refuse(&error))?;
        let incoming =
            decode::execute(message, &reached, &self.limits).map_err(|error| refuse(&error))?;
        let deadline = incoming.request.context.deadline;
        let running = self.backends.run(reached, incoming);
        let answer = tokio::time::timeout_at(deadline, running).await;
        let answer = answer.unwrap_or_else(|_elapsed| Err(InferenceError::deadline_exceeded()));
        let answer = answer.map_err(|error| refuse(&error))?;
        let served = answer.served().clone();
        let price = self.backends.price(&served);
        let here = self.backends.site().name.clone();
        let first = encode::served(&served, &here);
        telemetry::executed(&served, begun.elapsed());
        let rest = answer.map(move |event| match event {
            Ok(event) => Ok(encode::told(event, begun.elapsed(), price, &here)),
            Err(error) => Err(status(&error)),
        });
        Ok(Response::new(
            stream::once(async { Ok(first) }).chain(rest).boxed(),
        ))
    }

    type SplitStream = BoxStream<'static, Result<wire::SplitResult, Status>>;

    async fn split(
        &self,
        _request: Request<Streaming<wire::SplitStep>>,
    ) -> Result<Response<Self::SplitStream>, Status> {
        Err(Status::unimplemented("this gateway serves no split models"))
    }
}
