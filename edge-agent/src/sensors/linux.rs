//! Linux: `/sys/class/power_supply` and `/proc`. Small reads, nothing kept open.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Machine, Reading, Sensors};

/// Reads below `root`, which is `/` but in tests.
#[derive(Debug)]
pub(super) struct Here {
    root: PathBuf,
}

impl Here {
    pub(super) fn new() -> Self {
        Self { root: "/".into() }
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }
}

impl Sensors for Here {
    fn read(&self) -> Reading {
        let power = Power::read(&self.root.join("sys/class/power_supply"));
        Reading {
            on_ac_power: power.as_ref().and_then(Power::on_ac),
            battery_percent: power.as_ref().and_then(Power::percent),
            memory_available_mib: self
                .text("proc/meminfo")
                .and_then(|text| mib(&text, "MemAvailable:")),
            default_route: self.default_route(),
        }
    }

    fn machine(&self) -> Machine {
        Machine {
            hostname: self
                .text("proc/sys/kernel/hostname")
                .map(|text| text.trim().to_owned()),
            cpu: self
                .text("proc/cpuinfo")
                .and_then(|text| value(&text, "model name")),
            memory_mib: self
                .text("proc/meminfo")
                .and_then(|text| mib(&text, "MemTotal:")),
        }
    }
}

impl Here {
    fn default_route(&self) -> Option<bool> {
        let v4 = self.text("proc/net/route");
        let v6 = self.text("proc/net/ipv6_route");
        if v4.is_none() && v6.is_none() {
            return None;
        }
        let v4 = v4.unwrap_or_default().lines().any(|line| {
            let mut columns = line.split_whitespace().skip(1);
            columns.next() == Some("00000000")
        });
        let v6 = v6.unwrap_or_default().lines().any(leads_out_v6);
        Some(v4 || v6)
    }
}

/// A default route that is not the kernel's own "unreachable" on the loopback device.
fn leads_out_v6(line: &str) -> bool {
    let columns: Vec<_> = line.split_whitespace().collect();
    let [to, length, .., device] = columns.as_slice() else {
        return false;
    };
    *length == "00" && to.bytes().all(|byte| byte == b'0') && *device != "lo"
}

/// What the power supplies of a machine say.
#[derive(Debug, Default)]
struct Power {
    mains: Vec<bool>,
    charges: Vec<u8>,
    discharging: bool,
    unreadable: bool,
}

impl Power {
    /// Nothing when the folder itself cannot be read.
    fn read(dir: &Path) -> Option<Self> {
        let mut power = Self::default();
        for supply in fs::read_dir(dir).ok()? {
            let Ok(supply) = supply else {
                power.unreadable = true;
                continue;
            };
            power.add(&supply.path());
        }
        Some(power)
    }

    fn add(&mut self, supply: &Path) {
        let text = |name: &str| {
            fs::read_to_string(supply.join(name))
                .ok()
                .map(|text| text.trim().to_owned())
        };
        match text("type").as_deref() {
            // A battery of scope "Device" is a mouse's or a headset's.
            Some("Battery") if text("scope").as_deref() != Some("Device") => {
                match text("capacity").and_then(|percent| percent.parse().ok()) {
                    Some(percent) => self.charges.push(u8::min(percent, 100)),
                    None => self.unreadable = true,
                }
                self.discharging |= text("status").as_deref() == Some("Discharging");
            }
            Some("Mains" | "USB") => self
                .mains
                .extend(text("online").map(|online| online == "1")),
            Some(_) => {}
            None => self.unreadable = true,
        }
    }

    /// A machine without a battery must be on mains.
    fn on_ac(&self) -> Option<bool> {
        if self.charges.is_empty() {
            return (!self.unreadable).then_some(true);
        }
        if self.mains.is_empty() {
            return Some(!self.discharging);
        }
        Some(self.mains.contains(&true))
    }

    fn percent(&self) -> Option<u8> {
        if self.charges.is_empty() {
            return (!self.unreadable).then_some(100);
        }
        let sum: usize = self.charges.iter().copied().map(usize::from).sum();
        u8::try_from(sum / self.charges.len()).ok()
    }
}

/// The line `key   123 kB`, in MiB.
fn mib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// The first line `key : value`.
fn value(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests;
