//! One to one between a request's terms and a policy's: neither crate knows the other.

use inference_api as api;
use router_policy as policy;

/// The policy's word for how far a request may travel.
#[must_use]
pub const fn boundary_to_policy(boundary: api::Boundary) -> policy::Boundary {
    match boundary {
        api::Boundary::Device => policy::Boundary::Device,
        api::Boundary::Private => policy::Boundary::Private,
        api::Boundary::Cloud => policy::Boundary::Cloud,
    }
}

/// The request's word for a boundary that a policy decided.
#[must_use]
pub const fn boundary_from_policy(boundary: policy::Boundary) -> api::Boundary {
    match boundary {
        policy::Boundary::Device => api::Boundary::Device,
        policy::Boundary::Private => api::Boundary::Private,
        policy::Boundary::Cloud => api::Boundary::Cloud,
    }
}

/// The policy's word for a caller's wish.
pub(crate) const fn mode_to_policy(mode: Option<api::Mode>) -> policy::Mode {
    match mode {
        None => policy::Mode::Unstated,
        Some(api::Mode::OnlyOnDevice) => policy::Mode::OnlyOnDevice,
        Some(api::Mode::PreferOnDevice) => policy::Mode::PreferOnDevice,
        Some(api::Mode::PreferInCloud) => policy::Mode::PreferInCloud,
        Some(api::Mode::OnlyInCloud) => policy::Mode::OnlyInCloud,
    }
}

/// The request's word for a kind of placement.
pub(crate) const fn placement(kind: policy::PlacementKind) -> api::Placement {
    match kind {
        policy::PlacementKind::Device => api::Placement::Device,
        policy::PlacementKind::Split => api::Placement::Split,
        policy::PlacementKind::Cloud => api::Placement::Cloud,
        policy::PlacementKind::Cascade => api::Placement::Cascade,
    }
}
