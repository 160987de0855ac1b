//! The CPU provider: always there, and what every other is compared with.

use ort::ep::{self, ExecutionProvider};

use super::{Provider, Threads};

pub(super) const PROVIDER: Provider = Provider {
    name: "cpu",
    onnx_name: <ep::CPU as ExecutionProvider>::NAME,
    is_built_in: <ep::CPU as ExecutionProvider>::is_available,
    register: |_threads: Threads| ep::CPU::default().with_arena_allocator(true).build(),
};
