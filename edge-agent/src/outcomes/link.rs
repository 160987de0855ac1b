//! The stream that carries outcomes to the gateway and its acknowledgements back.

use std::time::Duration;

use thiserror::Error;
use tideline_proto::tideline::telemetry::v1::telemetry_service_client::TelemetryServiceClient;
use tideline_proto::tideline::telemetry::v1::{OutcomeAck, OutcomeBatch};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::fleet::{GatewayChannel, brief};

/// How long a gateway may take to store a batch.
const STORED_WITHIN: Duration = Duration::from_secs(10);

/// Why a gateway has not stored a batch.
#[derive(Debug, Error)]
pub(super) enum NotStored {
    #[error("the gateway: {}", brief(.0))]
    Failed(#[from] Status),
    #[error("the gateway did not store outcomes within {} s", STORED_WITHIN.as_secs())]
    Slow,
    #[error("the gateway ended the stream")]
    Ended,
}

/// An open stream, with one batch under way at a time.
pub(super) struct OutcomeStream {
    batches: mpsc::Sender<OutcomeBatch>,
    acks: Streaming<OutcomeAck>,
}

impl OutcomeStream {
    /// Opens a stream with its first batch: a gateway may answer nothing before it has read one.
    pub(super) async fn open(
        channel: GatewayChannel,
        first: OutcomeBatch,
    ) -> Result<Self, NotStored> {
        let (batches, sent) = mpsc::channel(1);
        batches.try_send(first).or(Err(NotStored::Ended))?;
        let mut client = TelemetryServiceClient::new(channel);
        let opening = client.report_outcomes(ReceiverStream::new(sent));
        let acks = timeout(STORED_WITHIN, opening)
            .await
            .or(Err(NotStored::Slow))??
            .into_inner();
        Ok(Self { batches, acks })
    }

    /// Sends the next batch.
    pub(super) async fn send(&self, batch: OutcomeBatch) -> Result<(), NotStored> {
        self.batches.send(batch).await.or(Err(NotStored::Ended))
    }

    /// Up to which sequence the gateway has stored everything.
    pub(super) async fn acknowledged(&mut self) -> Result<u64, NotStored> {
        let next = timeout(STORED_WITHIN, self.acks.message())
            .await
            .or(Err(NotStored::Slow))??;
        next.map(|ack| ack.through_sequence).ok_or(NotStored::Ended)
    }
}
