//! The pieces of an answer, and the whole that they make.
//!
//! `Debug` shows counts and shapes, never values.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Served;
use crate::generation::{Delta, FinishReason, Generated, ToolCallDelta};
use crate::tensor::Tensor;

/// One piece of an answer.
#[derive(Clone, PartialEq)]
pub enum Event {
    /// A vector for each text of an embedding task, in order.
    Embeddings(Vec<Vec<f32>>),
    /// The outputs of an infer task.
    Outputs(Vec<Tensor>),
    /// More of a generated text.
    Delta(Delta),
    /// More of a tool's call.
    ToolCall(ToolCallDelta),
    /// One of the generated answers has ended.
    Finished(u8, FinishReason),
    /// From here on another place serves.
    Served(Arc<Served>),
    /// What it took; the last event.
    Usage(Usage),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embeddings(vectors) => write!(f, "Embeddings({} vectors)", vectors.len()),
            Self::Outputs(tensors) => fmt::Debug::fmt(tensors, f),
            Self::Delta(delta) => fmt::Debug::fmt(delta, f),
            Self::ToolCall(delta) => fmt::Debug::fmt(delta, f),
            Self::Finished(choice, reason) => write!(f, "Finished({choice}, {reason:?})"),
            Self::Served(served) => fmt::Debug::fmt(served, f),
            Self::Usage(usage) => fmt::Debug::fmt(usage, f),
        }
    }
}

/// What a request took, as counted by what served it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens that went in; 0 for tensors.
    pub prompt_tokens: u32,
    /// Those of them that did not have to be computed again.
    pub cached_tokens: u32,
    /// Tokens that were generated, of all answers together.
    pub completion_tokens: u32,
    /// What it cost; `None` when the price is unknown.
    pub cost_usd: Option<f64>,
    /// Time spent where it ran, network excluded; `None` when not told.
    pub site_time: Option<Duration>,
}

/// The whole answer of a request that is not streamed.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What served it.
    pub served: Arc<Served>,
    /// The result.
    pub output: Output,
    /// What it took.
    pub usage: Usage,
}

/// The result of a task.
#[derive(Clone, PartialEq)]
pub enum Output {
    /// A vector for each text.
    Embeddings(Vec<Vec<f32>>),
    /// Tensors by name.
    Tensors(Vec<Tensor>),
    /// The generated answers.
    Generated(Vec<Generated>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embeddings(vectors) => write!(f, "Embeddings({} vectors)", vectors.len()),
            Self::Tensors(tensors) => fmt::Debug::fmt(tensors, f),
            Self::Generated(answers) => fmt::Debug::fmt(answers, f),
        }
    }
}
