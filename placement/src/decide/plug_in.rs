//! A decider of someone's own, as the router sees it: it is told facts, never content.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use router_policy::{Advice, Decision};

use crate::outcome::DecisionId;

/// An answer on its way.
pub type Advising = BoxFuture<'static, Result<Advice, PlugInError>>;

/// Advises on decisions. What it says can narrow them and order what is left.
pub trait PlugIn: Send + Sync + fmt::Debug + 'static {
    /// Asks it about a decision of the built-in policy.
    fn advise(&self, id: DecisionId, decision: &Decision) -> Advising;
}

/// A plug-in and how long it may take.
#[derive(Debug, Clone)]
pub struct PlugInConfig {
    /// Who is asked.
    pub plug_in: Arc<dyn PlugIn>,
    /// Past it, `onError` decides.
    pub deadline: Duration,
}

/// Why a plug-in was not heard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlugInError {
    /// It did not answer in time.
    #[error("it did not answer in time")]
    TooLate,
    /// It could not be reached, or failed; for the log.
    #[error("it failed: {0}")]
    Failed(String),
}
