//! The caller's own wish about the place, by the names that Firebase AI Logic uses.

use serde::{Deserialize, Serialize};

/// Where the caller would like a request to run. It can narrow a policy, never widen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They did not say.
    #[default]
    Unstated,
    /// On the device or not at all.
    OnlyOnDevice,
    /// On the device when it can.
    PreferOnDevice,
    /// In the cloud when it may.
    PreferInCloud,
    /// In the cloud or not at all.
    OnlyInCloud,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unstated,
        Self::OnlyOnDevice,
        Self::PreferOnDevice,
        Self::PreferInCloud,
        Self::OnlyInCloud,
    ];

    /// As the header `x-tideline-mode` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unstated => "unstated",
            Self::OnlyOnDevice => "only-on-device",
            Self::PreferOnDevice => "prefer-on-device",
            Self::PreferInCloud => "prefer-in-cloud",
            Self::OnlyInCloud => "only-in-cloud",
        }
    }
}
