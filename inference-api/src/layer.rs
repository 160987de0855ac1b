//! Layers around an inference service. Each follows a stream to its end: what
//! it grants lasts as long as the answer, not until its first byte.

mod admission;
mod deadline;

pub use admission::{Admission, AdmissionLayer, AdmissionLimits};
pub use deadline::{Deadline, DeadlineLayer};
