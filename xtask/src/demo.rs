//! `cargo xtask demo`: a gateway and an agent on this machine, and real texts through them.
//!
//! It uses what any app and any operator use: the agent's public API, and the `tideline` command
//! line for the gateway's side of the story. It believes neither alone.

mod api;
mod chat;
mod fleet;
mod gateway;
mod summary;
mod table;
mod texts;

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::program::{Event, Events};
use crate::setup::{self, Purpose, PythonChoice};
use crate::terminal::{Colour, Style, Terminal};
use crate::tideline::{self, Package};
use api::Api;
use fleet::Fleet;
use gateway::Witness;
use summary::Exchange;
use table::Table;

/// How the demo runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// End when all texts are through, rather than waiting for Ctrl-C
    #[arg(long)]
    once: bool,
    /// How many texts to send; past the last one it begins again
    #[arg(long, value_name = "N")]
    requests: Option<usize>,
    #[command(flatten)]
    colour: Colour,
    #[command(flatten)]
    python: PythonChoice,
}

/// Sets up, builds, starts, sends, sums up, and waits.
///
/// # Errors
///
/// When anything did not go as it should; the message names it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::run(&setup::Arguments::new(
        Purpose::Demo,
        arguments.python.clone(),
    ))?;
    tideline::build(&Package::PRODUCT)?;
    let terminal = Terminal::of(&arguments.colour);
    let events = Events::listen()?;
    let fleet = Fleet::start(&events)?;

    let exchanges = send(&fleet, &terminal, arguments.requests, &events)?;
    let witness = Witness::ask(&fleet, exchanges.len(), &events)?;
    summary::print(&terminal, &exchanges, &witness);
    let mut complaints = summary::complaints(&exchanges, &witness);
    complaints.extend(chat::run(&fleet, &terminal, &events)?);

    let mut ended = Ok(());
    if !arguments.once {
        invite(&fleet, &terminal, &exchanges);
        ended = match events.wait() {
            Event::Interrupted => Ok(()),
            event @ Event::Ended(..) => Err(event.unexpected()),
        };
    }
    fleet.stop(&events)?;
    ended?;
    if !complaints.is_empty() {
        bail!("this did not go well:\n  {}", complaints.join("\n  "));
    }
    Ok(())
}

/// Sends the texts one after the other and prints each decision as it falls.
fn send(
    fleet: &Fleet,
    terminal: &Terminal,
    count: Option<usize>,
    events: &Events,
) -> Result<Vec<Exchange>> {
    let api = Api::new(&fleet.agent_url(), fleet.token());
    let samples = texts::read()?;
    let count = count.unwrap_or(samples.len());
    let table = Table::new(*terminal);
    println!();
    table.head();
    let mut exchanges = Vec::new();
    for (index, sample) in samples.iter().cycle().take(count).enumerate() {
        if let Some(event) = events.next(Duration::ZERO) {
            return Err(event.unexpected());
        }
        let answer = api
            .embed(sample)
            .with_context(|| format!("text {}", index + 1))?;
        table.row(index + 1, sample, &answer);
        exchanges.push(Exchange {
            sample: sample.clone(),
            answer,
        });
    }
    Ok(exchanges)
}

/// Where everything is, and three commands to try.
fn invite(fleet: &Fleet, terminal: &Terminal, exchanges: &[Exchange]) {
    let title = |text: &str| println!("\n{}", terminal.paint(Style::Strong, text));
    title("Running");
    for (what, place) in fleet.places() {
        println!("  {what:<18} {place}");
    }
    title("Try it");
    let answers = || exchanges.iter().rev().map(|exchange| &exchange.answer);
    let telling = answers()
        .find(|answer| !answer.labels.is_empty())
        .or_else(|| answers().next());
    let decision = telling.and_then(|answer| answer.decision_id.as_deref());
    for command in fleet.commands(decision.unwrap_or("DECISION_ID")) {
        println!("\n{command}");
    }
    println!("\n{}", terminal.paint(Style::Faint, "Ctrl-C ends it."));
}
