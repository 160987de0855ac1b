//! What is found, as a table for people or as JSON or YAML for programs.

use serde_json::Value;

use crate::client::Failure;

/// How something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

/// Prints `value` for programs; `false` when people are to read it.
pub(crate) fn structured(value: &Value, format: Format) -> Result<bool, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Failed(format!("could not print this: {error}"));
    match format {
        Format::Table => return Ok(false),
        Format::Json => println!(
            "{}",
            serde_json::to_string_pretty(value).map_err(|error| failed(&error))?
        ),
        Format::Yaml => print!(
            "{}",
            serde_yaml::to_string(value).map_err(|error| failed(&error))?
        ),
    }
    Ok(true)
}

/// Prints rows under their heads, each column as wide as it must be.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) {
    let width = |at: usize, head: &str| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(at))
            .map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(head.chars().count())
    };
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| width(at, head))
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(&mut heads.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// Text from elsewhere, fit for a terminal: one line, no control characters.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
