//! OpenVINO, on Intel's processors: its CPU device here; a GPU or NPU is its own choice of device.

use ort::ep::{self, ExecutionProvider};

use super::{Provider, Threads};

pub(super) const PROVIDER: Provider = Provider {
    name: "openvino",
    onnx_name: <ep::OpenVINO as ExecutionProvider>::NAME,
    is_built_in: <ep::OpenVINO as ExecutionProvider>::is_available,
    register: |Threads(count)| {
        ep::OpenVINO::default()
            .with_device_type("CPU")
            .with_num_threads(count)
            .build()
            .error_on_failure()
    },
};
