//! The one closed class of errors that a request can end with.
//!
//! Each has a message for the caller and, where there is more to say, another
//! for the log. Neither ever holds content of a request.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::stream::Explanation;

mod kind;

pub use kind::ErrorKind;

/// Why a request was not answered.
///
/// `Display` is the caller's message. One pointer wide, since it rides in
/// every result.
pub struct InferenceError(Box<Parts>);

struct Parts {
    kind: ErrorKind,
    message: Cow<'static, str>,
    log: Option<String>,
    param: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    explanation: Option<Explanation>,
}

impl InferenceError {
    /// An error of that kind, with the message for the caller.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            kind,
            message: message.into(),
            log: None,
            param: None,
            retry_after: None,
            explanation: None,
        }))
    }

    /// What the request says cannot be.
    #[must_use]
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// A fault of ours. What it was goes to the log with
    /// [`InferenceError::with_log`].
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            ErrorKind::Internal,
            "something went wrong here; the log has more",
        )
    }

    /// The deadline passed.
    #[must_use]
    pub fn deadline_exceeded() -> Self {
        Self::new(
            ErrorKind::DeadlineExceeded,
            "the request's deadline passed before it was answered",
        )
    }

    /// Too many requests are waiting.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(
            ErrorKind::Overloaded,
            "too many requests are waiting here; try again shortly",
        )
        .with_retry_after(Duration::from_secs(1))
    }

    /// No model has that name.
    #[must_use]
    pub fn model_not_found(name: &str) -> Self {
        Self::new(
            ErrorKind::ModelNotFound,
            format!("the model `{}` does not exist", shown(name)),
        )
        .with_param("model")
    }

    /// The same error, with more for the log: no content, no secrets.
    #[must_use]
    pub fn with_log(mut self, log: impl fmt::Display) -> Self {
        self.0.log = Some(log.to_string());
        self
    }

    /// The same error, naming the parameter that it is about.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// The same error, telling when another attempt may go better.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The same error, with the decision that led to it.
    #[must_use]
    pub fn with_explanation(mut self, explanation: Explanation) -> Self {
        self.0.explanation = Some(explanation);
        self
    }

    /// Its class.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the caller is told.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the log is told: the caller's message and what there is beyond it.
    #[must_use]
    pub fn log(&self) -> String {
        match &self.0.log {
            Some(log) => format!("{}: {log}", self.0.message),
            None => self.0.message.to_string(),
        }
    }

    /// The parameter that it is about.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// When another attempt may go better.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The decision that led to it.
    #[must_use]
    pub fn explanation(&self) -> Option<&Explanation> {
        self.0.explanation.as_ref()
    }
}

/// A caller's own name for something, as far as an error quotes it: visible
/// ASCII, and no more than fits a line or a header.
pub(crate) fn shown(name: &str) -> String {
    let visible = |c: &char| c.is_ascii_graphic();
    name.chars().filter(visible).take(128).collect()
}

impl fmt::Display for InferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for InferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InferenceError({:?}: {})", self.0.kind, self.log())
    }
}

impl std::error::Error for InferenceError {}

#[cfg(test)]
mod tests;
