//! What the laptop senses of itself: power, memory, network. One file for each operating system.
//!
//! A sensor never guesses: what it cannot read is unknown, and whoever uses a reading takes the
//! cautious side ([`Reading::on_ac_power`] is then taken as false).

use serde::Serialize;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod none;

#[cfg(target_os = "linux")]
use self::linux as here;
#[cfg(not(target_os = "linux"))]
use self::none as here;

/// What was read, each part by itself; nothing where it could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// Whether it runs on mains power. A machine without a battery does.
    pub on_ac_power: Option<bool>,
    /// Charge of all batteries together; 100 on a machine without one.
    pub battery_percent: Option<u8>,
    /// Memory that programs could still take.
    pub memory_available_mib: Option<u64>,
    /// Whether any network leads further than the local one.
    pub default_route: Option<bool>,
}

/// The parts of a machine that stay as they are while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Its name on the network.
    pub(crate) hostname: Option<String>,
    /// The processor's own name.
    pub(crate) cpu: Option<String>,
    /// Memory in all.
    pub(crate) memory_mib: Option<u64>,
}

/// Reads what an operating system says about its machine.
pub(crate) trait Sensors: Send + Sync + 'static {
    /// What holds now. Quick: a few small reads.
    fn read(&self) -> Reading;
    /// What stays.
    fn machine(&self) -> Machine;
}

/// The sensors of this operating system.
#[must_use]
pub(crate) fn sensors() -> impl Sensors {
    here::Here::new()
}
