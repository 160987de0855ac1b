//! Answers to operators, as they look on the wire. One way only.

use inference_api::Boundary;
use prost::Message as _;
use tideline_proto::tideline::admin::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;

use crate::backends::{Count, Key};
use crate::fleet::Standing;
use crate::store::{DeviceRow, OutcomeRow};

/// A device, and how it stands if it is attached. A state that was written by another version and
/// cannot be read is left out.
pub(super) fn device(row: DeviceRow, standing: Option<Standing>) -> wire::Device {
    // While a device is attached, its signs of life are not written down one by one.
    let last_seen = standing.map_or(row.last_seen, |standing| standing.seen.max(row.last_seen));
    wire::Device {
        id: row.id,
        connected: standing.is_some(),
        first_seen: Some(row.first_seen.into()),
        last_seen: Some(last_seen.into()),
        agent_version: row.agent_version,
        state: prost::Message::decode(row.state.as_slice()).ok(),
        outcomes: row.outcomes,
        outcomes_dropped: row.outcomes_dropped,
        rtt_seconds: standing
            .and_then(|standing| standing.rtt)
            .map(|rtt| rtt.as_secs_f64()),
    }
}

/// An outcome as it was stored.
pub(super) fn outcome(row: OutcomeRow) -> wire::OutcomeRecord {
    wire::OutcomeRecord {
        device_id: row.device_id,
        stored_at: Some(row.stored_at.into()),
        outcome: tideline_proto::tideline::telemetry::v1::Outcome::decode(row.outcome.as_slice())
            .ok(),
    }
}

/// How many requests ran here.
pub(super) fn served((key, count): (Key, Count)) -> wire::ServedCount {
    let boundary = match key.boundary {
        None => policy::Boundary::Unspecified,
        Some(Boundary::Device) => policy::Boundary::Device,
        Some(Boundary::Private) => policy::Boundary::Private,
        Some(Boundary::Cloud) => policy::Boundary::Cloud,
    };
    wire::ServedCount {
        backend: key.backend.to_owned(),
        model: key.model,
        boundary: boundary.into(),
        requests: count.requests,
        refused: count.refused,
    }
}
