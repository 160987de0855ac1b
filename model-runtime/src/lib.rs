//! Models on ONNX Runtime: what is here, what it measures, and the path that serves it.
//!
//! The library is loaded at run time, so one build serves every flavour of ONNX Runtime. Models are
//! read and checked before ONNX Runtime sees them; each variant is measured on each execution
//! provider that is wanted, compared with what the CPU provider gives, and served by the one that
//! measured fastest and right.
//!
//! It knows nothing of requests, policies or networks. Its one invariant: what is reported is what
//! runs. A provider that cannot be used is set aside with the reason, never silently.
#![deny(unsafe_code)]

mod device;
mod embed;
mod engine;
mod figures;
mod generate;
mod graph;
mod library;
mod model;
mod package;
mod provider;
mod runtime;
mod session;
mod tensor;
mod text;

pub use library::{Library, LibraryConfig, LibraryError, Version};

pub use device::{Device, DeviceKind};
pub use provider::{ProviderError, ProviderName};

pub use package::{
    Change, Choice, FileName, Installed, InstalledFile, InstalledVariant, ModelName, Origin,
    Progress, Record, SelectError, Staging, Store, StoreError, import, select,
};
pub use package::{Digest, Package, PackageError, Precision, Task, VariantFile};

pub use runtime::{LoadError, LoadOptions, Runtime, RuntimeConfig};

pub use figures::{Figures, Speed};
pub use generate::{
    Begun, ChatMessage, ChatToolCall, DrawnToken, Finished, Format, GenerateRequest, Generation,
    Guide, Piece, Sampling, TemplateError,
};
pub use model::{
    Attempt, Embedded, EmbeddingInfo, GenerationInfo, Model, NodeShare, Signature, TensorInfo,
    VariantReport,
};

pub use engine::{Power, RunError};
pub use tensor::{DataType, Tensor, TensorError};
pub use text::{TextError, TokenizedText};
