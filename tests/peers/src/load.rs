//! Callers in closed loops, and what they saw.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Something that asks and waits for the answer.
pub(crate) trait Call: Send + 'static {
    /// One request and its whole answer.
    fn call(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// What all callers saw together.
#[derive(Debug)]
pub(crate) struct Report {
    seconds: f64,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Report {
    /// `{"count": …, "seconds": …, "p50_us": …, "p99_us": …}`
    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "count": self.latencies.len(),
            "seconds": self.seconds,
            "p50_us": self.percentile_us(50),
            "p99_us": self.percentile_us(99),
        })
    }

    fn percentile_us(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent)
            .div_ceil(100)
            .saturating_sub(1);
        self.latencies
            .get(rank)
            .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }
}

/// Lets `callers` ask for as long as `measured`, after a tenth of that to warm up.
///
/// # Errors
///
/// When a caller cannot connect, or an answer is not what it should be.
pub(crate) async fn run<C: Call>(
    callers: u16,
    measured: Duration,
    connect: impl AsyncFn(u16) -> Result<C>,
) -> Result<Report> {
    let mut ready = Vec::new();
    for caller in 0..callers {
        ready.push(connect(caller).await.context("could not connect")?);
    }
    let begin = Instant::now() + measured / 10;
    let end = begin + measured;
    let mut running = JoinSet::new();
    for mut caller in ready {
        running.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let asked = Instant::now();
                if asked >= end {
                    return Ok::<_, anyhow::Error>(latencies);
                }
                caller.call().await?;
                let answered = Instant::now();
                if answered >= begin && answered < end {
                    latencies.push(answered - asked);
                }
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = running.join_next().await {
        latencies.extend(done.context("a caller broke")??);
    }
    if latencies.is_empty() {
        bail!("no answer came within {measured:?}");
    }
    latencies.sort_unstable();
    Ok(Report {
        seconds: measured.as_secs_f64(),
        latencies,
    })
}
