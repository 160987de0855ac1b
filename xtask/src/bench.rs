//! `cargo xtask bench WHAT`: Tideline beside its peers, in one run on one machine.
//!
//! Machines are noisy: whoever is compared takes turns, round by round, and what counts are ratios
//! of medians. The table is for people; below it stands one line for each figure, `name value
//! unit`.

mod at_rest;
mod decisions;
mod embed;
mod generate;
mod infer;
mod load;
mod policy;
mod proxy;

use std::time::Duration;

use anyhow::Result;

use crate::program::Events;
use crate::setup::{self, Purpose, PythonChoice};
use crate::terminal::{Colour, Style, Terminal};
use crate::tideline::{self, Package};

/// What to measure, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to measure
    what: What,
    /// How often each takes its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many seconds a turn takes
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[command(flatten)]
    colour: Colour,
    #[command(flatten)]
    python: PythonChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Embeddings through the agent's HTTP API, against ONNX Runtime called from Python
    Embed,
    /// Text through the agent's HTTP API, against ONNX Runtime GenAI and llama.cpp
    Generate,
    /// A tensor through the Open Inference Protocol, against MLServer, PyTriton and a bare echo
    Infer,
    /// Rules of a policy, against the cel interpreter, Cedar and regorus
    Policy,
    /// Requests handed on to a service that answers at once, against nginx and LiteLLM's proxy
    Proxy,
}

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
struct Turns {
    rounds: usize,
    seconds: f64,
}

/// One number that the run stands for.
#[derive(Debug)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
}

/// Sets up, builds, measures, prints.
///
/// # Errors
///
/// When anything that is to be measured does not run.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let terminal = Terminal::of(&arguments.colour);
    let turns = Turns {
        rounds: arguments.rounds.max(1),
        seconds: arguments.seconds,
    };
    let figures = match arguments.what {
        What::Embed => embed::measure(turns, &terminal, &servers(arguments)?)?,
        What::Generate => generate::measure(turns, &terminal, arguments)?,
        What::Infer => infer::measure(turns, &terminal, &servers(arguments)?)?,
        What::Policy => policy::measure(turns, &terminal)?,
        What::Proxy => proxy::measure(turns, &terminal, arguments)?,
    };
    println!();
    for Figure { name, value, unit } in figures {
        println!("{name} {value:.4} {unit}");
    }
    Ok(())
}

/// Fetches and builds what runs as a program of its own, and listens to what becomes of it.
fn servers(arguments: &Arguments) -> Result<Events> {
    setup::run(&setup::Arguments::new(
        Purpose::Bench,
        arguments.python.clone(),
    ))?;
    tideline::build(&Package::ALL)?;
    Events::listen()
}

/// A line above a part of the results.
fn title(terminal: &Terminal, text: &str) {
    println!("\n{}", terminal.paint(Style::Strong, text));
}

/// The middle one; of an even number, the mean of the middle two.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        odd if odd.len() % 2 == 1 => odd[middle],
        even => f64::midpoint(even[middle - 1], even[middle]),
    }
}

/// Lets a program be as it is for a while; anything that happens meanwhile is unexpected.
fn rest(events: &Events, time: Duration) -> Result<()> {
    events
        .next(time)
        .map_or(Ok(()), |event| Err(event.unexpected()))
}

#[cfg(test)]
mod tests;
