//! Signals: what is computed from a request on the spot, before anything is decided.
//!
//! A signal reads content and leaves facts without any. One that fails is named among the facts, and
//! the policy's `onError` narrows the decision: what could not be looked at counts as sensitive.

mod content;
mod labels;
mod tokens;

use std::sync::Arc;

use inference_api::{InferenceError, InferenceRequest, ModelSelector};
use router_policy::{RequestFacts, SignalName};

use self::content::Content;
pub(crate) use self::tokens::Prepared;
pub use self::tokens::{ModelTokens, TokenCounter};
use crate::table::Entry;

/// One signal: reads content, adds to the facts.
struct Signal {
    name: &'static str,
    compute: fn(&Content<'_>, &mut RequestFacts) -> Result<(), Failed>,
}

/// All of them.
static SIGNALS: &[Signal] = &[
    Signal {
        name: "tokens",
        compute: tokens::count,
    },
    Signal {
        name: "labels",
        compute: labels::find,
    },
];

/// A signal could not be computed, so the request counts as sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

/// What the signals say of one request.
pub(crate) struct Signals {
    pub(crate) facts: RequestFacts,
    /// The text as tokens, so that it is not tokenised again where it runs.
    pub(crate) prepared: Option<Prepared>,
}

/// Content longer than this, in bytes, is looked at on a thread where blocking is allowed.
const INLINE_BYTES: usize = 64 << 10;

/// Computes every signal of `request`.
///
/// # Errors
/// When the content itself cannot be: token ids that the model does not have, say.
pub(crate) async fn compute(
    request: &InferenceRequest,
    entries: &[Arc<Entry>],
) -> Result<Signals, InferenceError> {
    let counter = entries.iter().find_map(|entry| entry.route.counter.clone());
    if content::size_bytes(&request.task) <= INLINE_BYTES {
        return compute_now(request, counter.as_deref());
    }
    let request = request.clone();
    let task = move || compute_now(&request, counter.as_deref());
    match tokio::task::spawn_blocking(task).await {
        Ok(signals) => signals,
        Err(stopped) => Err(InferenceError::internal().with_log(stopped)),
    }
}

fn compute_now(
    request: &InferenceRequest,
    counter: Option<&dyn TokenCounter>,
) -> Result<Signals, InferenceError> {
    let prepared = tokens::prepare(&request.task, counter)?;
    let content = Content::read(&request.task, counter, prepared.as_ref());
    let mut facts = RequestFacts {
        task: request.task.kind().name().into(),
        app: request
            .context
            .caller
            .app
            .as_ref()
            .map_or("", |app| app.as_str())
            .into(),
        model: request
            .model
            .name()
            .map_or(ModelSelector::AUTO, |name| name.as_str())
            .into(),
        ..RequestFacts::default()
    };
    for signal in SIGNALS {
        if (signal.compute)(&content, &mut facts) == Err(Failed) {
            facts.failed_signals.push(SignalName::new(signal.name));
        }
    }
    Ok(Signals { facts, prepared })
}
