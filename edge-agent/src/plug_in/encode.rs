//! What a plug-in is asked.

use placement::DecisionId;
use router_policy::Decision;
use tideline_proto::tideline::policy::v1 as wire;

use crate::outcomes::encode::{boundary, candidate, facts, mode};

/// The question that a decision of the built-in policy leaves open.
pub(super) fn question(id: DecisionId, decision: &Decision) -> wire::DecideRequest {
    wire::DecideRequest {
        decision_id: id.to_string(),
        facts: Some(facts(decision)),
        mode: mode(decision.mode()).into(),
        boundary: boundary(decision.boundary()).into(),
        candidates: decision
            .table()
            .map(|row| candidate(row.candidate))
            .collect(),
    }
}
