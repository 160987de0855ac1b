//! What stands behind both protocols: the service that answers, the catalogue
//! of what it can answer, and the bounds.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use tower::ServiceExt;

use crate::catalog::Catalog;
use crate::error::{ErrorKind, InferenceError};
use crate::limits::Limits;
use crate::request::InferenceRequest;
use crate::service::{BoxInferenceService, InferenceService};
use crate::stream::{Answer, InferenceStream};

/// Tells where a request would run, and why, without running it. No content is in what it tells.
pub trait DryRun: Send + Sync + fmt::Debug + 'static {
    /// Decides `request` and tells the decision as JSON.
    ///
    /// # Errors
    /// As the request itself would get before it is placed.
    fn dry_run(
        &self,
        request: InferenceRequest,
    ) -> BoxFuture<'static, Result<serde_json::Value, InferenceError>>;
}

/// A service and what its protocols need to know about it. A clone is another
/// handle to the same.
#[derive(Clone, Debug)]
pub struct Front {
    service: BoxInferenceService,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) limits: Limits,
    dry_run: Option<Arc<dyn DryRun>>,
}

impl Front {
    /// Puts `service` behind the protocols.
    pub fn new(service: impl InferenceService, catalog: Arc<dyn Catalog>, limits: Limits) -> Self {
        Self {
            service: BoxInferenceService::new(service),
            catalog,
            limits,
            dry_run: None,
        }
    }

    /// Lets callers ask where a request would run.
    #[must_use]
    pub fn with_dry_run(self, dry_run: Arc<dyn DryRun>) -> Self {
        Self {
            dry_run: Some(dry_run),
            ..self
        }
    }

    /// Where the request would run.
    pub(crate) async fn dry_run(
        &self,
        request: InferenceRequest,
    ) -> Result<serde_json::Value, InferenceError> {
        match &self.dry_run {
            Some(dry_run) => dry_run.dry_run(request).await,
            None => {
                let message = "nothing is placed here: every request runs at this site";
                Err(InferenceError::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// The answer to a request, as it comes.
    pub(crate) async fn stream(
        &self,
        request: InferenceRequest,
    ) -> Result<InferenceStream, InferenceError> {
        self.service.clone().oneshot(request).await
    }

    /// The whole answer to a request.
    pub(crate) async fn answer(
        &self,
        mut request: InferenceRequest,
    ) -> Result<Answer, InferenceError> {
        request.context.wants_whole = true;
        self.stream(request).await?.finish().await
    }
}
