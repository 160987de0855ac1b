//! What an answer takes of memory that has begun and says no more.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::sides::{Side, Sides};
use crate::bench::{Figure, at_rest};
use crate::shell;
use crate::tideline;

/// How many are held: a few less than are served at a time.
const STREAMS: u16 = 120;
/// The model whose answers do not end.
const MODEL: &str = "held";
/// Who is looked at.
pub(super) const SIDES: [Side; 2] = [Side::Gateway, Side::Agent];

/// KiB for each stream, of each of [`SIDES`].
pub(super) fn measure(sides: &Sides) -> Result<[f64; SIDES.len()]> {
    let mut kib = [0.0; SIDES.len()];
    for (side, kib) in SIDES.into_iter().zip(&mut kib) {
        // Once to settle: what the first of anything takes is not a stream's.
        hold(sides, side, 2)?;
        *kib = hold(sides, side, STREAMS)?;
    }
    Ok(kib)
}

pub(super) fn figures(kib: [f64; SIDES.len()]) -> impl Iterator<Item = Figure> {
    let names = ["proxy.kib_per_stream", "proxy.agent.kib_per_stream"];
    let figure = |(name, value)| Figure {
        name,
        value,
        unit: "KiB",
    };
    names.into_iter().zip(kib).map(figure)
}

/// Holds so many answers open; gives the KiB that each takes.
fn hold(sides: &Sides, side: Side, streams: u16) -> Result<f64> {
    let pid = sides.program(side).pid();
    let before = at_rest::resident_mib(pid)?;
    let mut words = sides.target("hold", side, MODEL);
    let more = ["--stream", "--streams", &streams.to_string()].map(OsString::from);
    words.extend(more);
    let mut holding = shell::command(tideline::built("peers"), words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start the load generator")?;
    let said = holding.stdout.take().context("it does not report")?;
    let mut line = String::new();
    BufReader::new(said)
        .read_line(&mut line)
        .context("it does not report")?;
    let after = at_rest::resident_mib(pid)?;
    // It ends with its input.
    drop(holding.stdin.take());
    let status = holding.wait().context("it did not end")?;
    if !status.success() || line.trim() != streams.to_string() {
        bail!("{streams} answers could not be held open ({status})");
    }
    Ok((after - before) * 1024.0 / f64::from(streams))
}
