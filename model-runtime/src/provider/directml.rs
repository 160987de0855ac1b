//! DirectML, on Windows. Not run here.

use ort::ep::{self, ExecutionProvider};

use super::{Provider, Threads};

pub(super) const PROVIDER: Provider = Provider {
    name: "directml",
    onnx_name: <ep::DirectML as ExecutionProvider>::NAME,
    is_built_in: <ep::DirectML as ExecutionProvider>::is_available,
    register: |_threads: Threads| ep::DirectML::default().build().error_on_failure(),
};
