//! Proofs about Linux's sensors, on folders that look like `/sys` and `/proc`.

use std::fs;

use tempfile::TempDir;

use super::Here;
use crate::sensors::{Reading, Sensors as _};

const POWER: &str = "sys/class/power_supply";

/// A machine whose files are `files`.
fn machine(files: &[(&str, &str)]) -> (TempDir, Here) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join(POWER)).unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let here = Here {
        root: folder.path().to_owned(),
    };
    (folder, here)
}

fn check(files: &[(&str, &str)], on_ac_power: Option<bool>, battery_percent: Option<u8>) {
    let (_folder, here) = machine(files);
    let reading = here.read();
    assert_eq!(
        (reading.on_ac_power, reading.battery_percent),
        (on_ac_power, battery_percent)
    );
}

const BATTERY: (&str, &str) = ("sys/class/power_supply/BAT0/type", "Battery\n");
const MAINS: (&str, &str) = ("sys/class/power_supply/AC/type", "Mains\n");

#[test]
fn a_laptop_on_battery_says_so() {
    let charge = ("sys/class/power_supply/BAT0/capacity", "37\n");
    check(
        &[
            BATTERY,
            charge,
            MAINS,
            ("sys/class/power_supply/AC/online", "0\n"),
        ],
        Some(false),
        Some(37),
    );
}

#[test]
fn a_laptop_on_mains_says_so() {
    let charge = ("sys/class/power_supply/BAT0/capacity", "80\n");
    check(
        &[
            BATTERY,
            charge,
            MAINS,
            ("sys/class/power_supply/AC/online", "1\n"),
        ],
        Some(true),
        Some(80),
    );
}

#[test]
fn a_battery_without_a_known_charger_tells_by_whether_it_drains() {
    let charge = ("sys/class/power_supply/BAT0/capacity", "50\n");
    check(
        &[
            BATTERY,
            charge,
            ("sys/class/power_supply/BAT0/status", "Discharging\n"),
        ],
        Some(false),
        Some(50),
    );
}

#[test]
fn a_machine_without_a_battery_is_on_mains() {
    check(&[], Some(true), Some(100));
}

#[test]
fn the_battery_of_a_mouse_is_not_the_laptops() {
    let mouse = "sys/class/power_supply/hidpp/type";
    let scope = "sys/class/power_supply/hidpp/scope";
    check(
        &[(mouse, "Battery\n"), (scope, "Device\n")],
        Some(true),
        Some(100),
    );
}

#[test]
fn a_battery_that_cannot_be_read_is_unknown() {
    check(&[BATTERY], None, None);
}

#[test]
fn a_machine_that_says_nothing_is_unknown_throughout() {
    let folder = tempfile::tempdir().unwrap();
    let here = Here {
        root: folder.path().to_owned(),
    };
    assert_eq!(here.read(), Reading::default());
}

#[test]
fn memory_and_names_are_read() {
    let (_folder, here) = machine(&[
        (
            "proc/meminfo",
            "MemTotal:  16384000 kB\nMemFree: 1 kB\nMemAvailable:    2048000 kB\n",
        ),
        ("proc/cpuinfo", "processor : 0\nmodel name\t: Fast CPU\n"),
        ("proc/sys/kernel/hostname", "laptop\n"),
    ]);
    assert_eq!(here.read().memory_available_mib, Some(2000));
    let machine = here.machine();
    assert_eq!(
        (machine.cpu.as_deref(), machine.hostname.as_deref()),
        (Some("Fast CPU"), Some("laptop"))
    );
}

#[test]
fn only_a_route_that_leads_out_counts_as_a_network() {
    let header = "Iface\tDestination\tGateway\n";
    let local = format!("{header}eth0\t0000A8C0\t00000000\n");
    let out = format!("{header}eth0\t00000000\t0100A8C0\n");
    let lo = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
    let default_route = |files: &[(&str, &str)]| machine(files).1.read().default_route;
    assert_eq!(
        default_route(&[("proc/net/route", &local), ("proc/net/ipv6_route", lo)]),
        Some(false)
    );
    assert_eq!(default_route(&[("proc/net/route", &out)]), Some(true));
}
