//! What an agent takes of a laptop while nobody asks it anything.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Figure, rest};
use crate::program::Events;
use crate::tideline::Agent;

/// How long it is left alone before it is watched, and how long it is watched.
const SETTLE: Duration = Duration::from_secs(3);
const WATCHED: Duration = Duration::from_secs(20);

/// Resident memory, and processor time while idle.
pub(super) fn measure(agent: &Agent, events: &Events) -> Result<Vec<Figure>> {
    let pid = agent.program.pid();
    rest(events, SETTLE)?;
    let before = processor_seconds(pid)?;
    rest(events, WATCHED)?;
    let used = processor_seconds(pid)? - before;
    let percent = used / WATCHED.as_secs_f64() * 100.0;
    let resident = resident_mib(pid)?;
    println!("  at rest            {resident:.0} MiB resident, {percent:.2} % of a core");
    Ok(vec![
        Figure {
            name: "embed.rss_mib",
            value: resident,
            unit: "MiB",
        },
        Figure {
            name: "embed.idle_cpu_percent",
            value: percent,
            unit: "%",
        },
    ])
}

/// `VmRSS` of proc(5).
pub(super) fn resident_mib(pid: u32) -> Result<f64> {
    let status = proc(pid, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib
        .and_then(|kib| kib.parse().ok())
        .context("expected VmRSS in kB")?;
    Ok(kib / 1024.0)
}

/// `utime` and `stime` of proc(5): the 12th and the 13th field after the program's name.
fn processor_seconds(pid: u32) -> Result<f64> {
    let stat = proc(pid, "stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u32>);
    let ticks: u32 = ticks
        .collect::<Result<Vec<_>, _>>()
        .context("expected ticks")?
        .iter()
        .sum();
    Ok(f64::from(ticks) / ticks_per_second())
}

fn proc(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("could not read {path}"))
}

#[cfg(unix)]
fn ticks_per_second() -> f64 {
    u32::try_from(rustix::param::clock_ticks_per_second()).map_or(100.0, f64::from)
}

#[cfg(not(unix))]
fn ticks_per_second() -> f64 {
    100.0
}
