//! A batch of outcomes, from the wire into rows. One way only.

use prost::Message as _;
use tideline_proto::tideline::telemetry::v1 as wire;

use crate::fleet::MAX_NAME;
use crate::store::{NewOutcome, NewOutcomes};

/// Most outcomes in one batch.
const MOST: usize = 1024;
/// Largest outcome, in bytes.
const MAX_OUTCOME_BYTES: usize = 64 << 10;

/// Reads a batch.
///
/// # Errors
/// What is wrong with it, for whoever wrote the agent.
pub(super) fn batch(batch: wire::OutcomeBatch) -> Result<NewOutcomes, &'static str> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= MAX_NAME
            && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !is_name(&batch.device_id) || !is_name(&batch.spool_id) {
        return Err("device_id and spool_id are names of 1 to 64 visible characters");
    }
    if batch.outcomes.is_empty() || batch.outcomes.len() > MOST {
        return Err("a batch holds 1 to 1024 outcomes");
    }
    // A database's numbers are signed.
    let is_number =
        |outcome: &wire::Outcome| (1..=i64::MAX.unsigned_abs()).contains(&outcome.sequence);
    if !batch.outcomes.iter().all(is_number) {
        return Err("outcomes are numbered from 1 to 2^63 - 1");
    }
    if !batch.outcomes.is_sorted_by(|a, b| a.sequence < b.sequence) {
        return Err("outcomes stand in ascending order of their numbers");
    }
    let row = |outcome: wire::Outcome| {
        if outcome.encoded_len() > MAX_OUTCOME_BYTES {
            return Err("an outcome has more than 64 KiB");
        }
        let decision_id = outcome
            .decision
            .as_ref()
            .map_or("", |decision| decision.id.as_str());
        let decision_id = decision_id.chars().take(MAX_NAME).collect();
        Ok(NewOutcome {
            sequence: outcome.sequence,
            decision_id,
            outcome: outcome.encode_to_vec(),
        })
    };
    Ok(NewOutcomes {
        outcomes: batch
            .outcomes
            .into_iter()
            .map(row)
            .collect::<Result<_, _>>()?,
        device_id: batch.device_id,
        spool_id: batch.spool_id,
        dropped_total: batch.dropped_total,
    })
}
