//! The texts that the demo sends: `deploy/demo/texts.jsonl`, one object a line.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::repository;

/// One request that an app makes.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Who asks.
    pub app: String,
    /// Where the app would like it to run: the value of `x-tideline-mode`.
    pub mode: Option<String>,
    /// What we know to be in it, whatever the agent finds.
    pub sensitive: bool,
    /// The content.
    pub text: String,
}

/// All of them, in their order.
///
/// # Errors
///
/// When the file cannot be read, with the line that is wrong.
pub(crate) fn read() -> Result<Vec<Sample>> {
    let path = repository::root().join("deploy/demo/texts.jsonl");
    let lines = std::fs::read_to_string(&path);
    let lines = lines.with_context(|| format!("could not read {}", path.display()))?;
    let numbered = lines.lines().enumerate();
    numbered
        .map(|(index, line)| {
            parse(line).with_context(|| format!("deploy/demo/texts.jsonl:{}: no sample", index + 1))
        })
        .collect()
}

fn parse(line: &str) -> Result<Sample> {
    let value: Value = serde_json::from_str(line)?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Ok(Sample {
        app: text("app").context("`app` is missing")?,
        mode: text("mode"),
        sensitive: value["sensitive"].as_bool().unwrap_or(false),
        text: text("text").context("`text` is missing")?,
    })
}

#[cfg(test)]
mod tests;
