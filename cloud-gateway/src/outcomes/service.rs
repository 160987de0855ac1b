//! The gRPC side of outcomes. What is acknowledged is stored.

use std::time::SystemTime;

use futures::stream::{self, BoxStream, StreamExt as _};
use tideline_proto::tideline::telemetry::v1 as wire;
use tonic::{Request, Response, Status, Streaming};
use wire::telemetry_service_server::TelemetryService;

use super::decode;
use crate::store::Store;
use crate::telemetry;

/// Takes outcomes.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    pub(crate) store: Store,
}

#[tonic::async_trait]
impl TelemetryService for Telemetry {
    type ReportOutcomesStream = BoxStream<'static, Result<wire::OutcomeAck, Status>>;

    async fn report_outcomes(
        &self,
        request: Request<Streaming<wire::OutcomeBatch>>,
    ) -> Result<Response<Self::ReportOutcomesStream>, Status> {
        let batches = request.into_inner();
        // One batch at a time: the next is read once this one is stored.
        let acks = stream::unfold(Some((self.clone(), batches)), |state| async move {
            let (telemetry, mut batches) = state?;
            match batches.next().await? {
                Ok(batch) => match telemetry.store(batch).await {
                    Ok(ack) => Some((Ok(ack), Some((telemetry, batches)))),
                    Err(status) => Some((Err(status), None)),
                },
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(acks.boxed()))
    }
}

impl Telemetry {
    async fn store(&self, batch: wire::OutcomeBatch) -> Result<wire::OutcomeAck, Status> {
        let batch = decode::batch(batch).map_err(Status::invalid_argument)?;
        let through_sequence = batch.outcomes.last().map_or(0, |outcome| outcome.sequence);
        match self.store.keep_outcomes(&batch, SystemTime::now()).await {
            Ok(new) => {
                telemetry::outcomes(batch.outcomes.len(), new);
                Ok(wire::OutcomeAck { through_sequence })
            }
            Err(error) => {
                telemetry::store_failed(&error);
                Err(Status::unavailable(
                    "the outcomes could not be stored; send them again later",
                ))
            }
        }
    }
}
