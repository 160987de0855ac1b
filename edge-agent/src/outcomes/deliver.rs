//! Delivers the spool: outcomes go to the gateway until it says that they are stored.
//!
//! At least once, in order, one batch at a time; their sequence numbers make them count once. It
//! wakes only when something was appended or the gateway came back, and at most once a second.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand::RngExt as _;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::encode;
use super::link::{NotStored, OutcomeStream};
use crate::fleet::{GatewayChannel, LinkView};
use crate::spool::{Reader, Record, Spool};
use crate::telemetry;

/// Outcomes of one batch.
const BATCH: usize = 128;
/// How often outcomes are made durable and sent, at most.
const PACE: Duration = Duration::from_secs(1);
/// The longest wait after a gateway could not store.
const BACKOFF_CAP: Duration = Duration::from_secs(60);

/// Whose outcomes, from where, to where.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The laptop.
    pub(crate) device_id: String,
    /// What waits.
    pub(crate) spool: Arc<Spool>,
    /// Where it goes.
    pub(crate) view: watch::Receiver<LinkView>,
}

/// Why delivery stopped for now.
#[derive(Debug, Error)]
enum Stopped {
    #[error("the spool: {0}")]
    Spool(#[from] io::Error),
    #[error(transparent)]
    Gateway(#[from] NotStored),
}

impl Delivery {
    /// Delivers until `stop`, and then once more what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0_u32;
        let mut running = true;
        while running {
            running = self.due(failures, &stop).await;
            match self.deliver().await {
                Ok(()) => failures = 0,
                Err(stopped) => {
                    failures = failures.saturating_add(1);
                    telemetry::delivery_failed(&stopped);
                }
            }
        }
    }

    /// Waits until there is something to do; false when it is the last time.
    async fn due(&mut self, failures: u32, stop: &CancellationToken) -> bool {
        let news = async {
            if failures == 0 {
                tokio::select! {
                    () = self.spool.wait() => {}
                    () = attached(&mut self.view) => {}
                }
            }
            sleep(pause(failures)).await;
        };
        tokio::select! {
            () = stop.cancelled() => false,
            () = news => true,
        }
    }

    async fn deliver(&self) -> Result<(), Stopped> {
        let spool = self.spool.clone();
        blocking(move || spool.sync(SystemTime::now())).await??;
        let channel = self.view.borrow().channel.clone();
        match channel {
            Some(channel) if self.spool.figures().waiting > 0 => self.deliver_over(channel).await,
            Some(_) | None => Ok(()),
        }
    }

    async fn deliver_over(&self, channel: GatewayChannel) -> Result<(), Stopped> {
        let mut reader = self.spool.reader();
        let mut stream: Option<OutcomeStream> = None;
        loop {
            let records;
            (reader, records) = self.next_batch(reader).await?;
            let Some(through) = records.last().map(|record| record.sequence) else {
                return Ok(());
            };
            let dropped = self.spool.figures().dropped;
            let batch = encode::batch(&self.device_id, self.spool.id(), &records, dropped);
            let open = match stream.take() {
                Some(open) => {
                    open.send(batch).await?;
                    open
                }
                None => OutcomeStream::open(channel.clone(), batch).await?,
            };
            stream = Some(self.settle(open, through).await?);
            telemetry::delivered(records.len());
        }
    }

    /// Reads acknowledgements until all up to `through` are stored.
    async fn settle(
        &self,
        mut stream: OutcomeStream,
        through: u64,
    ) -> Result<OutcomeStream, Stopped> {
        loop {
            let stored = stream.acknowledged().await?;
            let spool = self.spool.clone();
            blocking(move || spool.ack(stored)).await??;
            if stored >= through {
                return Ok(stream);
            }
        }
    }

    async fn next_batch(&self, mut reader: Reader) -> Result<(Reader, Vec<Record>), Stopped> {
        let spool = self.spool.clone();
        let read = move || {
            reader
                .next_batch(&spool, BATCH)
                .map(|records| (reader, records))
        };
        Ok(blocking(read).await??)
    }
}

/// How long to gather outcomes, or to leave a gateway alone that could not store them.
fn pause(failures: u32) -> Duration {
    if failures == 0 {
        return PACE;
    }
    let longest = PACE.saturating_mul(1 << failures.min(16)).min(BACKOFF_CAP);
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// Waits for the moment at which the gateway becomes reachable.
async fn attached(view: &mut watch::Receiver<LinkView>) {
    let mut was = view.borrow_and_update().channel.is_some();
    while view.changed().await.is_ok() {
        let is = view.borrow_and_update().channel.is_some();
        if is && !was {
            return;
        }
        was = is;
    }
    // Nobody is left who could attach.
    std::future::pending().await
}

/// Runs what may wait for a disk where that is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
