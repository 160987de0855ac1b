//! How far content may travel. Its only operation is to narrow.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far content may travel; each step contains the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Boundary {
    /// It stays on this device.
    Device,
    /// It may go to sites that the owner runs.
    Private,
    /// It may go anywhere that a site is configured for.
    Cloud,
}

impl Boundary {
    /// All of them, narrowest first.
    pub const ALL: [Self; 3] = [Self::Device, Self::Private, Self::Cloud];

    /// The smaller of the two.
    #[must_use]
    pub fn narrow(self, other: Self) -> Self {
        self.min(other)
    }

    /// Whether content under this boundary may reach a site of boundary `site`.
    #[must_use]
    pub fn admits(self, site: Self) -> bool {
        site <= self
    }

    /// As policies and headers spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Private => "private",
            Self::Cloud => "cloud",
        }
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no boundary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown boundary, expected device, private or cloud")]
pub struct UnknownBoundary;

impl FromStr for Boundary {
    type Err = UnknownBoundary;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|boundary| boundary.name() == text)
            .ok_or(UnknownBoundary)
    }
}
