//! What runs requests, as far as it is the same for agent and gateway.

mod cascade;
mod continuation;
mod egress;
mod failover;
pub(crate) mod generate;
mod onnx;

pub(crate) use continuation::{Continuation, Spent, Told, narrower};
pub use egress::{BoxEgressService, Egress};
pub(crate) use failover::{After, Attempt, Ran, another_may_serve};
pub use onnx::OnnxExecutor;
pub(crate) use onnx::datatype_into_api;
