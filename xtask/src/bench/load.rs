//! One turn of the load generator, and what came of it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;
use crate::tideline::{self, Agent};

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

/// Load on an agent's embeddings API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EmbedLoad<'a> {
    /// A JSON list of texts.
    pub texts: &'a Path,
    /// How many ask at once.
    pub callers: u16,
    /// For how long.
    pub seconds: f64,
}

impl EmbedLoad<'_> {
    /// One turn of it.
    ///
    /// # Errors
    ///
    /// When a call fails.
    pub(crate) fn turn(&self, agent: &Agent) -> Result<Turn> {
        let mut words: Vec<OsString> = vec!["embed".into()];
        let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
        option("--server", agent.http.to_string().into());
        option("--token-file", agent.token_file().into());
        option("--model", "minilm".into());
        option("--texts", self.texts.into());
        option("--callers", self.callers.to_string().into());
        option("--seconds", self.seconds.to_string().into());
        turn(words)
    }
}
