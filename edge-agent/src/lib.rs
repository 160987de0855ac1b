//! `tideline-agent`: the daemon on a laptop. It serves the local API, places each request by the
//! policy, runs it here or behind the gateway, and tells the gateway what came of it.
//!
//! It decides nothing itself and runs no model itself: `placement`, `router-policy` and
//! `model-runtime` do. Its one invariant: content leaves the laptop through `execute/remote.rs`
//! alone, and only with the permit of a decision.
#![forbid(unsafe_code)]

mod agent;
mod api;
mod budgets;
mod config;
pub mod doctor;
mod execute;
mod fleet;
mod identity;
mod inventory;
mod outcomes;
mod plug_in;
mod policy;
mod readiness;
mod sensors;
mod spool;
mod store;
mod telemetry;

#[cfg(test)]
mod tests;

pub use agent::{Addresses, Agent, BoundAgent};

pub use config::{
    Cli, Command, Config, ConfigError, DeviceConfig, DoctorOptions, GatewayConfig, GatewayUrl,
    Listen, LogConfig, LogFormat, Loopback, ModelConfig, ModelStore, Output, RunOptions,
    RuntimeConfig, Settings, UserConfig, Watts,
};

pub use inventory::{
    HardwareDevice, Host, InstalledModel, InstalledVariant, Inventory, MeasuredSpeed, ModelTask,
    NodeShare, RuntimeLibrary, Sha256Digest,
};
pub use sensors::Reading;
