//! How far a request's content may travel, and where its caller would like it
//! to run.
//!
//! Both come from the caller or from the hop before; neither is ever widened
//! here.

use std::fmt;
use std::str::FromStr;

/// How far content may travel. Ordered: a smaller boundary allows less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Boundary {
    /// It stays on this device.
    Device,
    /// It may go to sites that its owner runs.
    Private,
    /// It may go anywhere that a policy allows.
    Cloud,
}

impl Boundary {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Device, Self::Private, Self::Cloud];

    /// The smaller of the two: the only way that boundaries combine.
    #[must_use]
    pub fn narrow(self, other: Self) -> Self {
        self.min(other)
    }

    /// The name used in headers, policies and metrics.
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

/// The name is not one of those listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct UnknownName {
    /// The names that would have been understood.
    pub expected: &'static str,
}

impl FromStr for Boundary {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|boundary| boundary.name() == name)
            .ok_or(UnknownName {
                expected: "device, private or cloud",
            })
    }
}

/// Whether another place may serve when one fails: before its answer begins, and in the midst of it.
///
/// It never leads beyond the boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// None: the answer comes from where it was placed, or an error does.
    None,
    /// One with the same model.
    #[default]
    SameModel,
    /// One with another model too, where the policy lets an answer go on with it.
    AnyModel,
}

impl Fallback {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::SameModel, Self::AnyModel];

    /// The value of `x-tideline-fallback`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SameModel => "same-model",
            Self::AnyModel => "any-model",
        }
    }
}

impl FromStr for Fallback {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|fallback| fallback.name() == name)
            .ok_or(UnknownName {
                expected: "none, same-model or any-model",
            })
    }
}

/// A caller's wish about the place, by the names that Firebase AI Logic uses.
///
/// A wish can narrow what the policy allows, never widen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Run on the device or not at all.
    OnlyOnDevice,
    /// Run on the device when it can.
    PreferOnDevice,
    /// Run in the cloud when it may.
    PreferInCloud,
    /// Run in the cloud or not at all.
    OnlyInCloud,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::OnlyOnDevice,
        Self::PreferOnDevice,
        Self::PreferInCloud,
        Self::OnlyInCloud,
    ];

    /// The value of `x-tideline-mode`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnlyOnDevice => "only-on-device",
            Self::PreferOnDevice => "prefer-on-device",
            Self::PreferInCloud => "prefer-in-cloud",
            Self::OnlyInCloud => "only-in-cloud",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or(UnknownName {
                expected: "only-on-device, prefer-on-device, prefer-in-cloud or only-in-cloud",
            })
    }
}
