//! What this laptop is and can do, as the gateway is told and `doctor` shows: hardware, runtime
//! library, models with what they measured and which provider serves them, and why.
//!
//! Plain data. It never holds content, and nothing here is looked at by a decision.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::sensors::Reading;

/// Everything, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The machine.
    pub host: Host,
    /// Devices as ONNX Runtime lists them.
    pub devices: Vec<HardwareDevice>,
    /// Models that are installed.
    pub models: Vec<InstalledModel>,
    /// The library that runs them; nothing when none was found.
    pub runtime: Option<RuntimeLibrary>,
    /// What the sensors say.
    pub reading: Reading,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Its name on the network.
    pub hostname: String,
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// The processor's own name.
    pub cpu: String,
    /// Processors that the scheduler sees.
    pub logical_cores: u32,
    /// Memory in all.
    pub memory_mib: u64,
    /// Laptops that should behave alike share it.
    pub device_class: String,
}

/// A device that ONNX Runtime could use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HardwareDevice {
    /// `cpu`, `gpu` or `npu`.
    pub kind: String,
    /// Who made it.
    pub vendor: String,
    /// Its own name.
    pub name: String,
    /// The execution provider that reaches it.
    pub provider: String,
}

/// The ONNX Runtime library in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeLibrary {
    /// Its version.
    pub version: String,
    /// Where it was found.
    pub path: PathBuf,
    /// Execution providers that it lists a device for.
    pub providers: Vec<String>,
}

/// A model on this laptop.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstalledModel {
    /// Its public name.
    pub name: String,
    /// What it does.
    pub task: ModelTask,
    /// Its builds.
    pub variants: Vec<InstalledVariant>,
}

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ModelTask {
    /// Vectors for texts.
    Embedding,
    /// Tensors for tensors.
    Infer,
    /// The next message of a conversation.
    Chat,
    /// What follows a text.
    Completion,
}

/// One build of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstalledVariant {
    /// Its name.
    pub name: String,
    /// The precision of its weights.
    pub precision: String,
    /// Digest of its graph.
    pub sha256: Sha256Digest,
    /// Size of its files.
    pub bytes: u64,
    /// The execution provider that was asked for.
    pub provider_wanted: String,
    /// The one that serves.
    pub provider_serving: String,
    /// Why that one.
    pub provider_reason: String,
    /// Which providers really run its nodes.
    pub node_shares: Vec<NodeShare>,
    /// What each provider measured.
    pub speeds: Vec<MeasuredSpeed>,
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256Digest(pub [u8; 32]);

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The share of a model's nodes that a provider runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeShare {
    /// The execution provider.
    pub provider: String,
    /// From 0 to 1.
    pub share: f64,
}

/// latency = fixed + per token × tokens, as measured here.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredSpeed {
    /// The execution provider.
    pub provider: String,
    /// Seconds that every request takes.
    pub fixed_seconds: f64,
    /// Seconds for each token more.
    pub per_token_seconds: f64,
}

/// What became different, as little as the protocol can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Nothing that is told.
    None,
    /// Only these parts.
    Parts(Box<InventoryDelta>),
    /// Something vanished, which only the whole can say.
    Whole,
}

/// The parts of an [`Inventory`] that changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InventoryDelta {
    /// The machine.
    pub(crate) host: Option<Host>,
    /// All devices, when one changed.
    pub(crate) devices: Option<Vec<HardwareDevice>>,
    /// All models, when one changed.
    pub(crate) models: Option<Vec<InstalledModel>>,
    /// The runtime library.
    pub(crate) runtime: Option<RuntimeLibrary>,
    /// What the sensors say.
    pub(crate) reading: Option<Reading>,
}

impl InventoryDelta {
    /// Whether it is only about what the sensors say, which changes all the time and can wait.
    #[must_use]
    pub(crate) fn can_wait(&self) -> bool {
        let Self {
            host,
            devices,
            models,
            runtime,
            reading: _,
        } = self;
        host.is_none() && devices.is_none() && models.is_none() && runtime.is_none()
    }
}

impl Inventory {
    /// What became different since `told`.
    #[must_use]
    pub(crate) fn change_since(&self, told: &Self) -> Change {
        let emptied = (self.devices.is_empty() && !told.devices.is_empty())
            || (self.models.is_empty() && !told.models.is_empty())
            || (self.runtime.is_none() && told.runtime.is_some());
        if emptied {
            return Change::Whole;
        }
        let delta = InventoryDelta {
            host: changed(&self.host, &told.host),
            devices: changed(&self.devices, &told.devices),
            models: changed(&self.models, &told.models),
            runtime: changed(&self.runtime, &told.runtime).flatten(),
            reading: changed(&self.reading, &told.reading),
        };
        if delta == InventoryDelta::default() {
            Change::None
        } else {
            Change::Parts(Box::new(delta))
        }
    }
}

fn changed<T: Clone + PartialEq>(now: &T, told: &T) -> Option<T> {
    (now != told).then(|| now.clone())
}
