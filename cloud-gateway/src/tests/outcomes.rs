//! Outcomes over a socket: acknowledged once stored, counted once however often they come.

use tideline_proto::tideline::admin::v1::GetDecisionRequest;
use tideline_proto::tideline::policy::v1::Decision;
use tideline_proto::tideline::telemetry::v1 as wire;
use tonic::Code;

use super::running::{LONG, Running};
use crate::config::SiteBoundary;

fn outcome(sequence: u64) -> wire::Outcome {
    let decision = Decision {
        id: format!("decision-{sequence}"),
        ..Decision::default()
    };
    wire::Outcome {
        sequence,
        decision: Some(decision),
        ..wire::Outcome::default()
    }
}

fn batch(sequences: impl IntoIterator<Item = u64>) -> wire::OutcomeBatch {
    wire::OutcomeBatch {
        device_id: "laptop-1".into(),
        spool_id: "spool".into(),
        outcomes: sequences.into_iter().map(outcome).collect(),
        dropped_total: 0,
    }
}

/// Delivers one batch and waits for what the gateway says to it.
async fn deliver(running: &Running, batch: wire::OutcomeBatch) -> Result<u64, Code> {
    let mut telemetry = running.telemetry();
    let call = telemetry.report_outcomes(tokio_stream::once(batch)).await;
    let mut acks = call.unwrap().into_inner();
    let ack = tokio::time::timeout(LONG, acks.message()).await.unwrap();
    ack.map(|ack| ack.unwrap().through_sequence)
        .map_err(|status| status.code())
}

#[tokio::test]
async fn batches_that_overlap_are_acknowledged_and_count_once() {
    let running = Running::start().await;
    assert_eq!(deliver(&running, batch(1..=10)).await, Ok(10));
    assert_eq!(deliver(&running, batch(1..=10)).await, Ok(10));
    assert_eq!(deliver(&running, batch(6..=12)).await, Ok(12));
    assert_eq!(running.stored().await.len(), 12);
}

#[tokio::test]
async fn what_was_stored_but_not_acknowledged_counts_once_when_it_comes_again() {
    let running = Running::start().await;
    let mut telemetry = running.telemetry();
    // The agent ends between the gateway's commit and its own reading of the acknowledgement.
    let call = telemetry.report_outcomes(tokio_stream::once(batch(1..=5)));
    let unread = call.await.unwrap();
    let committed = async {
        while running.stored().await.len() < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, committed).await.unwrap();
    drop(unread);
    assert_eq!(deliver(&running, batch(1..=5)).await, Ok(5));
    assert_eq!(running.stored().await.len(), 5);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_and_found_by_its_decision() {
    let running = Running::start().await;
    assert_eq!(deliver(&running, batch(1..=3)).await, Ok(3));
    let folder = running.stop().await;
    let running = Running::start_in(folder, SiteBoundary::Cloud).await;
    assert_eq!(running.stored().await.len(), 3);
    let mut client = running.admin();
    let found = client.get_decision(GetDecisionRequest {
        decision_id: "decision-2".into(),
    });
    let found = found.await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(found, outcome(2), "as it was told");
    let mut client = running.admin();
    let missing = client.get_decision(GetDecisionRequest {
        decision_id: "' OR 1=1 --".into(),
    });
    assert_eq!(missing.await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn batches_that_make_no_sense_are_refused_whole() {
    let running = Running::start().await;
    let check = async |wrong: wire::OutcomeBatch| {
        assert_eq!(deliver(&running, wrong).await, Err(Code::InvalidArgument));
    };
    check(batch([])).await;
    check(batch([2, 1])).await;
    check(batch([1, 1])).await;
    check(batch([0, 1])).await;
    check(batch([1, u64::MAX])).await;
    check(batch(1..=1025)).await;
    let named = |device_id: &str| wire::OutcomeBatch {
        device_id: device_id.into(),
        ..batch([1])
    };
    check(named("")).await;
    check(named(&"x".repeat(65))).await;
    check(named("two words")).await;
    let mut large = batch([1]);
    large.outcomes[0].request_id = "x".repeat(65 << 10);
    check(large).await;
    assert!(running.stored().await.is_empty());
}
