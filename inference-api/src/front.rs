//! What stands behind both protocols: the service that answers, the catalogue
//! of what it can answer, and the bounds.

use std::sync::Arc;

use tower::ServiceExt;

use crate::catalog::Catalog;
use crate::error::InferenceError;
use crate::limits::Limits;
use crate::request::InferenceRequest;
use crate::service::{BoxInferenceService, InferenceService};
use crate::stream::Answer;

/// A service and what its protocols need to know about it. A clone is another
/// handle to the same.
#[derive(Clone, Debug)]
pub struct Front {
    service: BoxInferenceService,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) limits: Limits,
}

impl Front {
    /// Puts `service` behind the protocols.
    pub fn new(service: impl InferenceService, catalog: Arc<dyn Catalog>, limits: Limits) -> Self {
        Self {
            service: BoxInferenceService::new(service),
            catalog,
            limits,
        }
    }

    /// The whole answer to a request.
    pub(crate) async fn answer(&self, request: InferenceRequest) -> Result<Answer, InferenceError> {
        let stream = self.service.clone().oneshot(request).await?;
        stream.finish().await
    }
}
