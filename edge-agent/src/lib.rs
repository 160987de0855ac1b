//! `tideline-agent`: the daemon on a laptop.

#![forbid(unsafe_code)]

mod config;
mod fleet;
mod identity;
mod inventory;
mod readiness;
mod sensors;
mod spool;
mod store;
mod telemetry;

#[cfg(test)]
mod tests;

pub use self::config::*;
pub use self::fleet::*;
pub use self::identity::*;
pub use self::inventory::*;
pub use self::sensors::*;
pub use self::spool::{Figures, Limits, Reader, Record, Spool};
pub use self::store::{StateDir, StoreError};
pub use self::telemetry::Metrics;
