//! What an agent is told to be: a YAML file, the environment over it, flags over both.
//!
//! The one place where configuration is read. A value that does not parse, or that would open more
//! than it should, stops the start: nothing here falls back to something wider.

mod flags;
mod load;
mod values;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::flags::{Cli, Command, DoctorOptions, Output, RunOptions, Settings};
pub use self::load::ConfigError;
pub use self::values::{GatewayUrl, Loopback, ModelStore, Watts};

/// Everything that can be configured. `Default` is an agent that serves this machine, alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Where the agent keeps what must outlive it. Unset in a file: the user's state directory.
    pub state_dir: PathBuf,
    /// Where apps reach it.
    pub listen: Listen,
    /// The ONNX Runtime library.
    pub runtime: RuntimeConfig,
    /// Models to load.
    pub models: Vec<ModelConfig>,
    /// Where installed models are, loaded beside those. Unset in a file: the user's data directory.
    pub model_store: Option<ModelStore>,
    /// The placement policy. Without one nothing leaves the laptop.
    pub policy: Option<PathBuf>,
    /// A policy plug-in, asked about what the policy leaves open.
    pub plug_in: Option<PlugInConfig>,
    /// The gateway to attach to. Without one the agent works alone.
    pub gateway: Option<GatewayConfig>,
    /// What cannot be sensed about this laptop.
    pub device: DeviceConfig,
    /// Who uses this laptop, for policies that ask.
    pub user: UserConfig,
    /// Browser origins that may call the local API, such as `http://localhost:3000`.
    pub allowed_origins: Vec<String>,
    /// What is logged.
    pub log: LogConfig,
}

/// Addresses of the local API: this machine's own alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Listen {
    /// OpenAI's API, the Open Inference Protocol's REST form, health and metrics.
    pub http: Loopback,
    /// The Open Inference Protocol over gRPC.
    pub grpc: Loopback,
    /// The same as `http` on a Unix socket that only this user can open; needs no token.
    pub socket: Option<PathBuf>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            http: Loopback::port(7071),
            grpc: Loopback::port(7072),
            socket: None,
        }
    }
}

/// How ONNX Runtime is found and used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// The library's file, or a folder that holds it. Unset: the usual places are searched.
    pub library: Option<PathBuf>,
    /// The oldest version that is accepted. Unset: the one below which malformed graphs are known
    /// to be dangerous.
    pub minimum_version: Option<String>,
    /// Threads that the runs of one model use together. Unset: one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Execution providers to measure, by their names: `cpu`, `openvino` … The fastest that gives
    /// the right numbers serves. Empty: `cpu`.
    pub providers: Vec<String>,
}

/// One model package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelConfig {
    /// Its folder.
    pub path: PathBuf,
    /// The variants to load. Empty: all.
    #[serde(default)]
    pub variants: Vec<String>,
}

/// A policy plug-in: `tideline.policy.v1.PolicyService` on this machine or in this network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlugInConfig {
    /// Its address. It is sent facts and never content; they travel in clear text.
    pub url: GatewayUrl,
    /// How long it may take, 1 to 10,000. Past it the policy's `onError` decides.
    #[serde(default = "PlugInConfig::usual_deadline_ms")]
    pub deadline_ms: u16,
    /// Whether it decides alone where no policy is configured. Otherwise nothing leaves the laptop
    /// then, whatever it says.
    #[serde(default)]
    pub alone: bool,
}

impl PlugInConfig {
    const fn usual_deadline_ms() -> u16 {
        50
    }

    /// How long it may take.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.clamp(1, 10_000).into())
    }
}

/// How the gateway is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayConfig {
    /// Its address.
    pub url: GatewayUrl,
    /// A file with the token that the gateway wants from agents.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Lets content and the token travel in clear text to another machine. For experiments.
    #[serde(default)]
    pub insecure_dev: bool,
}

/// What cannot be sensed about this laptop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeviceConfig {
    /// Laptops that should behave alike share it. Unset: from processor, memory and system.
    pub class: Option<String>,
    /// Drawn, beyond idling, while a model runs here.
    pub watts: Watts,
}

/// Who uses this laptop. Whoever manages it writes this down; nothing is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UserConfig {
    /// Their name in the directory.
    pub name: String,
    /// The groups they are in.
    pub groups: Vec<String>,
}

/// What is logged, to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogConfig {
    /// Levels, as `tracing` filters are written: `info`, `warn,edge_agent=debug`.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            format: LogFormat::Text,
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

#[cfg(test)]
mod tests;
