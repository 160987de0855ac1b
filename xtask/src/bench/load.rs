//! One turn of the load generator, and what came of it.

use std::ffi::OsString;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{shell, tideline};

/// What a turn came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// Answers for each second.
    pub rate: f64,
    /// Half of the answers took no longer, in microseconds.
    pub p50_us: f64,
    /// Ninety-nine of a hundred took no longer, in microseconds.
    pub p99_us: f64,
}

impl Turn {
    /// Reads the line of JSON in which load generator and baseline report.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let report: Value = serde_json::from_str(line).context("expected a report in JSON")?;
        let number = |name: &str| {
            report[name]
                .as_f64()
                .with_context(|| format!("`{name}` is missing in {line}"))
        };
        Ok(Self {
            rate: number("count")? / number("seconds")?,
            p50_us: number("p50_us")?,
            p99_us: number("p99_us")?,
        })
    }
}

/// Runs the load generator for one turn: `peers VERB …`.
///
/// # Errors
///
/// When a call fails.
pub(crate) fn turn(arguments: impl IntoIterator<Item = OsString>) -> Result<Turn> {
    let report = shell::ask(&mut shell::command(tideline::built("peers"), arguments))?;
    Turn::parse(report.trim())
}
