//! One inference request: what is asked, of which model, and under which terms.
//!
//! Its `Debug` shows shapes and counts, never content.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use ulid::Ulid;

use crate::context::Context;
use crate::generation::{ChatTask, CompletionTask, Continued, Sampling, ToolChoice};
use crate::tensor::Tensor;

/// One request, whichever protocol it came by.
#[derive(Clone, Debug)]
pub struct InferenceRequest {
    /// Ours, made when the request arrived.
    pub id: RequestId,
    /// The model that should serve it.
    pub model: ModelSelector,
    /// What is asked.
    pub task: Task,
    /// Who asks, and under which terms.
    pub context: Context,
    /// The answer as far as another place gave it, to be gone on with from exactly there.
    pub continued: Option<Arc<Continued>>,
}

impl InferenceRequest {
    /// A request with a new id.
    #[must_use]
    pub fn new(model: ModelSelector, task: Task, context: Context) -> Self {
        Self {
            id: RequestId::generate(),
            model,
            task,
            context,
            continued: None,
        }
    }
}

/// Identifies one request; sorts by the time it was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Ulid);

impl RequestId {
    /// A new one, from the clock and a random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(Ulid::generate())
    }

    /// Reads the id that the hop before gave this request.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Ulid::from_string(text).ok().map(Self)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which model should serve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelSelector {
    /// The router chooses.
    Auto,
    /// This one and no other.
    Named(ModelName),
}

impl ModelSelector {
    /// The name by which callers ask for [`ModelSelector::Auto`].
    pub const AUTO: &'static str = "auto";

    /// Reads what a caller wrote where a model's name stands.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == Self::AUTO {
            return Some(Self::Auto);
        }
        ModelName::new(text).map(Self::Named)
    }

    /// The name, unless the router chooses.
    #[must_use]
    pub fn name(&self) -> Option<&ModelName> {
        match self {
            Self::Auto => None,
            Self::Named(name) => Some(name),
        }
    }
}

/// A model's public name: one to 256 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(Arc<str>);

impl ModelName {
    /// Longest name, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// The name, if it is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Task {
    /// Vectors for texts.
    Embedding(EmbeddingTask),
    /// Tensors for tensors.
    Infer(InferTask),
    /// The next message of a conversation. Shared, so that a failover copies nothing.
    Chat(Arc<ChatTask>),
    /// What follows a text.
    Completion(Arc<CompletionTask>),
}

impl Task {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> TaskKind {
        match self {
            Self::Embedding(_) => TaskKind::Embedding,
            Self::Infer(_) => TaskKind::Infer,
            Self::Chat(_) => TaskKind::Chat,
            Self::Completion(_) => TaskKind::Completion,
        }
    }
}

impl Task {
    /// How an answer is drawn; `None` for what is not generated.
    #[must_use]
    pub fn sampling(&self) -> Option<&Sampling> {
        match self {
            Self::Chat(task) => Some(&task.sampling),
            Self::Completion(task) => Some(&task.sampling),
            Self::Embedding(_) | Self::Infer(_) => None,
        }
    }

    /// The same task, with its answer drawn otherwise. What is not generated stays as it is.
    #[must_use]
    pub fn with_sampling(&self, sampling: Sampling) -> Self {
        match self {
            Self::Chat(task) => Self::Chat(Arc::new(ChatTask {
                sampling,
                ..ChatTask::clone(task)
            })),
            Self::Completion(task) => Self::Completion(Arc::new(CompletionTask {
                prompt: task.prompt.clone(),
                sampling,
            })),
            Self::Embedding(_) | Self::Infer(_) => self.clone(),
        }
    }

    /// Whether its answer is one text: a single one, generated, that calls no tools.
    #[must_use]
    pub fn is_one_text(&self) -> bool {
        let may_call = match self {
            Self::Chat(task) => !task.tools.is_empty() && task.tool_choice != ToolChoice::None,
            Self::Completion(_) | Self::Embedding(_) | Self::Infer(_) => false,
        };
        let answers = self.sampling().map(Sampling::answers);
        !may_call && answers == Some(1)
    }
}

/// The kinds of task there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Vectors for texts.
    Embedding,
    /// Tensors for tensors.
    Infer,
    /// The next message of a conversation.
    Chat,
    /// What follows a text.
    Completion,
}

impl TaskKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Embedding, Self::Infer, Self::Chat, Self::Completion];

    /// The name used in headers, policies and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Infer => "infer",
            Self::Chat => "chat",
            Self::Completion => "completion",
        }
    }
}

/// Texts to turn into vectors, answered in their order.
#[derive(Clone, Debug)]
pub struct EmbeddingTask {
    /// At least one.
    pub inputs: Vec<EmbeddingInput>,
    /// Length of the vectors asked for; the model's own when unset.
    pub dimensions: Option<NonZeroU32>,
}

/// One text.
#[derive(Clone, PartialEq, Eq)]
pub enum EmbeddingInput {
    /// As characters.
    Text(String),
    /// As the model's own token ids.
    Tokens(Vec<u32>),
}

impl fmt::Debug for EmbeddingInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Tokens(ids) => write!(f, "Tokens({} ids)", ids.len()),
        }
    }
}

/// Tensors to run a model on.
#[derive(Clone, Debug)]
pub struct InferTask {
    /// What goes in, by name.
    pub inputs: Vec<Tensor>,
    /// Names of the outputs wanted; empty is all of them.
    pub outputs: Vec<String>,
}
