//! What an inference request is, the one trait that serves one, and the two
//! public protocols over that trait: OpenAI's HTTP API and the Open Inference
//! Protocol.
//!
//! It knows nothing of policy, of how models run, or of the fleet. Its one
//! invariant: whatever is granted to a request (its place in the queue, its
//! deadline, the duty to report how it ended) belongs to the stream that
//! answers it, until that stream ends.
#![forbid(unsafe_code)]

mod body;
mod boundary;
mod catalog;
mod context;
mod door;
mod error;
mod front;
mod generation;
mod headers;
mod json;
mod layer;
mod limits;
pub mod oip;
pub mod openai;
mod refusal;
mod request;
mod serve;
mod service;
mod stream;
mod tensor;
#[cfg(test)]
mod testing;

pub use request::{
    EmbeddingInput, EmbeddingTask, InferTask, InferenceRequest, ModelName, ModelSelector,
    RequestId, Task, TaskKind,
};

pub use generation::{
    ChatTask, CompletionTask, Continued, Delta, FinishReason, Generated, GeneratedToken, Message,
    Prompt, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolCallDelta, ToolChoice,
};

pub use boundary::{Boundary, Fallback, Mode, UnknownName};
pub use context::{AppName, Caller, Context, UserName};
pub use tensor::{DataType, Tensor, TensorError};

pub use stream::{
    Answer, Ending, Event, Explanation, InferenceStream, OutcomeGuard, Output, Placement, Price,
    Served, Usage,
};

pub use service::{BoxInferenceService, InferenceService};

pub use layer::{Admission, AdmissionLayer, AdmissionLimits, Deadline, DeadlineLayer};

pub use error::{ErrorKind, InferenceError};

pub use catalog::{Catalog, EmbeddingShape, ModelCard, ServerInfo, TensorSpec};

pub use front::{DryRun, Front};
pub use limits::Limits;
pub use refusal::{Protocol, status};

pub use door::{Door, Hosts, Peer, Token};
pub use serve::{Drained, Listener, serve};
