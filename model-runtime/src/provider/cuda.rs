//! CUDA, on NVIDIA's graphics processors. Not run here.

use ort::ep::{self, ExecutionProvider};

use super::{Provider, Threads};

pub(super) const PROVIDER: Provider = Provider {
    name: "cuda",
    onnx_name: <ep::CUDA as ExecutionProvider>::NAME,
    is_built_in: <ep::CUDA as ExecutionProvider>::is_available,
    register: |_threads: Threads| ep::CUDA::default().build().error_on_failure(),
};
