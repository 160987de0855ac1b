//! Execution providers: one file each, one list.

mod coreml;
mod cpu;
mod cuda;
mod directml;
mod openvino;
mod qnn;

use std::fmt;

use ort::ep::ExecutionProviderDispatch;

/// The name of an execution provider, as configuration spells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProviderName(&'static str);

impl ProviderName {
    /// The provider that is always there, and that the others are compared with.
    pub const CPU: Self = Self(cpu::PROVIDER.name);

    /// The provider of that name.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`], with the nearest name there is.
    pub fn parse(text: &str) -> Result<Self, ProviderError> {
        let known = PROVIDERS.iter().find(|provider| provider.name == text);
        known
            .map(|provider| Self(provider.name))
            .ok_or_else(|| ProviderError::Unknown {
                name: text.chars().take(40).collect(),
                known: PROVIDERS
                    .iter()
                    .map(|provider| provider.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    /// As configuration spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// As ONNX Runtime spells it, such as `CPUExecutionProvider`.
    #[must_use]
    pub fn onnx_name(self) -> &'static str {
        self.provider().onnx_name
    }

    pub(crate) fn provider(self) -> &'static Provider {
        // A name is only ever made from this list.
        PROVIDERS
            .iter()
            .find(|provider| provider.name == self.0)
            .copied()
            .unwrap_or(&cpu::PROVIDER)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why a provider is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// There is none of that name.
    #[error("unknown execution provider `{name}`, expected one of: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
}

/// How many threads an operator may use, for providers that keep their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threads(pub(crate) usize);

/// One execution provider.
#[derive(Debug)]
pub(crate) struct Provider {
    /// As configuration spells it.
    pub(crate) name: &'static str,
    /// As ONNX Runtime spells it.
    pub(crate) onnx_name: &'static str,
    /// Whether the loaded library was built with it.
    pub(crate) is_built_in: fn() -> ort::Result<bool>,
    /// What registers it with a session.
    pub(crate) register: fn(Threads) -> ExecutionProviderDispatch,
}

/// Every provider there is. CPU and OpenVINO are run by the tests; the others are written after ONNX
/// Runtime's documentation and have not been run here.
static PROVIDERS: &[&Provider] = &[
    &cpu::PROVIDER,
    &openvino::PROVIDER,
    &cuda::PROVIDER,
    &qnn::PROVIDER,
    &coreml::PROVIDER,
    &directml::PROVIDER,
];
