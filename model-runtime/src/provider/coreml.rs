//! Core ML, on Apple's machines. Not run here.

use ort::ep::{self, ExecutionProvider};

use super::{Provider, Threads};

pub(super) const PROVIDER: Provider = Provider {
    name: "coreml",
    onnx_name: <ep::CoreML as ExecutionProvider>::NAME,
    is_built_in: <ep::CoreML as ExecutionProvider>::is_available,
    register: |_threads: Threads| ep::CoreML::default().build().error_on_failure(),
};
