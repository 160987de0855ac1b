//! The pieces of an answer, and the whole that they make.
//!
//! `Debug` shows counts and shapes, never values.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Served;
use crate::tensor::Tensor;

/// One piece of an answer.
#[derive(Clone, PartialEq)]
pub enum Event {
    /// A vector for each text of an embedding task, in order.
    Embeddings(Vec<Vec<f32>>),
    /// The outputs of an infer task.
    Outputs(Vec<Tensor>),
    /// What it took; the last event.
    Usage(Usage),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embeddings(vectors) => write!(f, "Embeddings({} vectors)", vectors.len()),
            Self::Outputs(tensors) => fmt::Debug::fmt(tensors, f),
            Self::Usage(usage) => fmt::Debug::fmt(usage, f),
        }
    }
}

/// What a request took, as counted by what served it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens that went in; 0 for tensors.
    pub prompt_tokens: u32,
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
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embeddings(vectors) => write!(f, "Embeddings({} vectors)", vectors.len()),
            Self::Tensors(tensors) => fmt::Debug::fmt(tensors, f),
        }
    }
}

impl From<Output> for Event {
    fn from(output: Output) -> Self {
        match output {
            Output::Embeddings(vectors) => Self::Embeddings(vectors),
            Output::Tensors(tensors) => Self::Outputs(tensors),
        }
    }
}
