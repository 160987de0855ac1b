//! QNN, on Qualcomm's neural processors. Not run here.

use ort::ep::{self, ExecutionProvider};

use super::{Provider, Threads};

pub(super) const PROVIDER: Provider = Provider {
    name: "qnn",
    onnx_name: <ep::QNN as ExecutionProvider>::NAME,
    is_built_in: <ep::QNN as ExecutionProvider>::is_available,
    register: |_threads: Threads| {
        ep::QNN::default()
            .with_backend_path("libQnnHtp.so")
            .build()
            .error_on_failure()
    },
};
