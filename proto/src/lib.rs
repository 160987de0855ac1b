//! What is generated from the `.proto` files beside this crate, and nothing
//! else: messages, clients and servers.
//!
//! `tests/generated.rs` makes `src/gen/` and fails when it differs from what
//! is committed. Messages that carry the content of requests have no `Debug`,
//! so that they cannot be logged by mistake.
#![forbid(unsafe_code)]

/// The Open Inference Protocol, version 2.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    missing_debug_implementations,
    missing_docs,
    unused_qualifications,
    reason = "generated"
)]
pub mod inference {
    include!("gen/inference.rs");
}

/// Tideline's own protocols.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    missing_debug_implementations,
    missing_docs,
    unused_qualifications,
    reason = "generated"
)]
pub mod tideline {
    /// What operators ask of a gateway.
    pub mod admin {
        /// Version 1.
        pub mod v1 {
            include!("gen/tideline.admin.v1.rs");
        }
    }
    /// Between an agent and its gateway: who is there and what it should know.
    pub mod fleet {
        /// Version 1.
        pub mod v1 {
            include!("gen/tideline.fleet.v1.rs");
        }
    }
    /// Between hops: one request to run.
    pub mod inference {
        /// Version 1.
        pub mod v1 {
            include!("gen/tideline.inference.v1.rs");
        }
    }
    /// Decisions, and services that make them.
    pub mod policy {
        /// Version 1.
        pub mod v1 {
            include!("gen/tideline.policy.v1.rs");
        }
    }
    /// What happened to requests.
    pub mod telemetry {
        /// Version 1.
        pub mod v1 {
            include!("gen/tideline.telemetry.v1.rs");
        }
    }
}

/// Every file above as an encoded `FileDescriptorSet`, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.bin");
