//! Looks at the laptop every few seconds and tells the router and the gateway what changed.

use std::sync::Arc;
use std::time::Duration;

use model_runtime::{Library, Power};
use placement::{Conditions, RouteTable};
use router_policy::{DeviceFacts, NetworkFacts, SlowFacts, UserFacts};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::models::{self, Models};
use crate::config::Config;
use crate::inventory::{Host, Inventory};
use crate::sensors::{Machine, Reading, Sensors, sensors};
use crate::telemetry::{self, Metrics};

/// Often enough for a battery and a network, seldom enough to cost nothing.
const PERIOD: Duration = Duration::from_secs(5);

/// What sensing keeps current.
#[derive(Debug)]
pub(super) struct Sensing {
    pub(super) conditions: Arc<Conditions>,
    pub(super) inventory: watch::Sender<Inventory>,
    pub(super) metrics: Metrics,
    pub(super) models: Models,
    pub(super) routes: Arc<RouteTable>,
}

/// Senses until `stop`.
pub(super) async fn run(sensing: Sensing, stop: CancellationToken) {
    let here = sensors();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => sensing.sense(&here),
        }
    }
}

impl Sensing {
    fn sense(&self, here: &impl Sensors) {
        let reading = here.read();
        self.conditions.update(|facts| apply(&reading, facts));
        self.inventory.send_if_modified(|inventory| {
            let changed = inventory.reading != reading;
            inventory.reading = reading.clone();
            changed
        });
        let saving = !self.conditions.get().device.on_ac_power;
        self.models
            .set_power(if saving { Power::Saving } else { Power::Full });
        for believed in self.routes.believed() {
            telemetry::believed(&believed);
        }
        self.metrics.upkeep();
    }
}

/// What is known before any model is loaded.
pub(super) fn first_look(config: &Config, library: Option<&Library>) -> Inventory {
    let here = sensors();
    Inventory {
        host: host(config, here.machine()),
        devices: library.map(models::devices).unwrap_or_default(),
        models: Vec::new(),
        runtime: library.map(models::runtime_library),
        reading: here.read(),
    }
}

/// The facts that change seldom, as first seen.
pub(super) fn slow_facts(config: &Config, inventory: &Inventory) -> SlowFacts {
    let mut facts = SlowFacts {
        device: DeviceFacts {
            class: inventory.host.device_class.as_str().into(),
            os: inventory.host.os.as_str().into(),
            ..DeviceFacts::default()
        },
        network: NetworkFacts::default(),
        user: UserFacts {
            name: config.user.name.as_str().into(),
            groups: config
                .user
                .groups
                .iter()
                .map(|group| group.as_str().into())
                .collect(),
        },
        ..SlowFacts::default()
    };
    apply(&inventory.reading, &mut facts);
    facts
}

/// What is unknown is taken for the worse: on battery, and an empty one; no memory; no network but
/// the gateway's.
fn apply(reading: &Reading, facts: &mut SlowFacts) {
    facts.device.on_ac_power = reading.on_ac_power.unwrap_or(false);
    facts.device.battery_percent = reading.battery_percent.map_or(0, u32::from);
    facts.device.memory_available_mib = reading.memory_available_mib.unwrap_or(0);
    facts.network.online = facts.fleet.connected || reading.default_route.unwrap_or(false);
}

fn host(config: &Config, machine: Machine) -> Host {
    let os = std::env::consts::OS;
    let arch = std::env::consts::ARCH;
    let cpu = machine.cpu.unwrap_or_default();
    let memory_mib = machine.memory_mib.unwrap_or_default();
    let class = config.device.class.clone();
    Host {
        device_class: class.unwrap_or_else(|| device_class(os, arch, &cpu, memory_mib)),
        hostname: machine.hostname.unwrap_or_default(),
        os: os.to_owned(),
        arch: arch.to_owned(),
        cpu,
        logical_cores: cores(),
        memory_mib,
    }
}

fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// Laptops that should behave alike: the same system, processor and size of memory, such as
/// `linux/intel-core-ultra-7-155h/16gib`.
fn device_class(os: &str, arch: &str, cpu: &str, memory_mib: u64) -> String {
    let words = cpu
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let plain: Vec<String> = words
        .filter(|word| !["R", "TM", "CPU"].contains(word))
        .map(str::to_lowercase)
        .collect();
    let cpu = if plain.is_empty() {
        arch.to_owned()
    } else {
        plain.join("-")
    };
    // Part of the memory is the firmware's: 15.6 GiB is a laptop of 16.
    let gib = memory_mib.div_ceil(1024).next_multiple_of(4);
    format!("{os}/{cpu}/{gib}gib")
}

#[cfg(test)]
mod tests {
    use router_policy::SlowFacts;

    use super::{apply, device_class};
    use crate::sensors::Reading;

    #[test]
    fn laptops_that_should_behave_alike_share_a_class() {
        let class =
            |memory| device_class("linux", "x86_64", "Intel(R) Core(TM) Ultra 7 155H", memory);
        assert_eq!(class(15_800), "linux/intel-core-ultra-7-155h/16gib");
        assert_eq!(class(15_800), class(16_100));
        assert_eq!(
            device_class("macos", "aarch64", "", 8192),
            "macos/aarch64/8gib"
        );
    }

    #[test]
    fn what_cannot_be_sensed_is_taken_for_the_worse() {
        let mut facts = SlowFacts::default();
        apply(&Reading::default(), &mut facts);
        assert!(
            !facts.device.on_ac_power && facts.device.battery_percent == 0 && !facts.network.online
        );
    }
}
