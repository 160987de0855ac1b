//! A request on its way out: it exists only together with the permit for its content.

use inference_api::{InferenceError, InferenceRequest, InferenceStream};
use router_policy::EgressPermit;
use tower::util::BoxCloneSyncService;

use crate::outcome::DecisionId;

/// A request and the permit to send its content, as one value.
#[derive(Debug)]
pub struct Egress {
    /// What to run.
    pub request: InferenceRequest,
    /// Which boundary and site its content may reach; given up by sending it.
    pub permit: EgressPermit,
    /// The decision that minted the permit, for the site's own records.
    pub decision: DecisionId,
}

/// Runs requests beyond this site.
pub type BoxEgressService = BoxCloneSyncService<Egress, InferenceStream, InferenceError>;
