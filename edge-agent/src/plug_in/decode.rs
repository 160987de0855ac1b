//! What a plug-in answers. What it does not say is the narrowest.

use router_policy::{Advice, Boundary};
use tideline_proto::tideline::policy::v1 as wire;

/// The answer as advice; the decision takes of it what narrows.
pub(super) fn advice(answer: wire::DecideResponse) -> Advice {
    let boundary = match answer.boundary() {
        wire::Boundary::Unspecified | wire::Boundary::Device => Boundary::Device,
        wire::Boundary::Private => Boundary::Private,
        wire::Boundary::Cloud => Boundary::Cloud,
    };
    let admitted = answer
        .admitted
        .iter()
        .filter_map(|at| usize::try_from(*at).ok());
    Advice {
        boundary,
        admitted: admitted.collect(),
        reason: if answer.reason.is_empty() {
            "the plug-in decided".to_owned()
        } else {
            answer.reason
        },
    }
}
