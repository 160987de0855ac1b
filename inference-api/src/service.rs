//! The one trait that serves inference requests: `tower::Service`, under the
//! bounds that everything here shares.

use tower::Service;
use tower::util::BoxCloneSyncService;

use crate::error::InferenceError;
use crate::request::InferenceRequest;
use crate::stream::InferenceStream;

/// Anything that serves inference requests. Implemented for every
/// `tower::Service` of the right shape; implement that instead.
///
/// A clone shares what the original stands for: every request may be served by
/// a clone of its own.
pub trait InferenceService:
    Service<
        InferenceRequest,
        Response = InferenceStream,
        Error = InferenceError,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> InferenceService for S where
    S: Service<
            InferenceRequest,
            Response = InferenceStream,
            Error = InferenceError,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// Any of them, boxed.
pub type BoxInferenceService =
    BoxCloneSyncService<InferenceRequest, InferenceStream, InferenceError>;
