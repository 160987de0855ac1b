//! `cargo xtask bench proxy`: chats handed on to a service that answers at once, by the gateway alone
//! and by an agent through it, against nginx and LiteLLM's proxy.
//!
//! The service is a program of ours that looks at next to nothing; every answer is checked.

mod held;
mod sides;

use std::ffi::OsString;

use anyhow::Result;

use super::load::{Turn, turn};
use super::{Arguments, Figure, Turns, median, servers, title};
use crate::setup;
use crate::terminal::Terminal;
use crate::tideline;
use sides::{Side, Sides};

/// How many call at once when throughput is measured.
const CALLERS: u16 = 16;
/// What every side knows the model as.
const MODEL: &str = "assistant";

/// How an answer comes.
#[derive(Debug, Clone, Copy)]
enum Form {
    Whole,
    Streamed,
}

/// What each side did, in the order of [`Side::ALL`].
type Seen = [Vec<Turn>; Side::ALL.len()];

/// Sets up the peers and measures; all run, and take turns.
pub(super) fn measure(
    turns: Turns,
    terminal: &Terminal,
    arguments: &Arguments,
) -> Result<Vec<Figure>> {
    let events = servers(arguments)?;
    let nginx = setup::proxying_peers(&arguments.python)?;
    let folder = tideline::fresh_folder("bench/proxy")?;
    let sides = Sides::start(&folder, &nginx, &events)?;
    // First, while nothing that others asked for lies about in memory.
    let held = held::measure(&sides)?;
    let mut figures = Vec::new();
    for form in [Form::Whole, Form::Streamed] {
        let one = rounds(turns, &sides, form, 1)?;
        let many = rounds(turns, &sides, form, CALLERS)?;
        let what = match form {
            Form::Whole => "answers at once",
            Form::Streamed => "answers in eight pieces",
        };
        title(
            terminal,
            &format!("proxy: chats handed on, {what} (medians of the turns)"),
        );
        table(&one, &many);
        figures.extend(compare(form, &one, &many));
    }
    println!();
    for (side, kib) in held::SIDES.iter().zip(held) {
        println!(
            "  {:<18} {kib:.0} KiB for each answer that is held open",
            side.name()
        );
    }
    figures.extend(held::figures(held));
    sides.stop(&events)?;
    Ok(figures)
}

/// One turn of the load generator for each side, again and again.
fn rounds(turns: Turns, sides: &Sides, form: Form, callers: u16) -> Result<Seen> {
    let mut seen = Seen::default();
    for _ in 0..turns.rounds {
        for (side, seen) in Side::ALL.into_iter().zip(&mut seen) {
            let mut words = sides.target("chat", side, MODEL);
            if matches!(form, Form::Streamed) {
                words.push("--stream".into());
            }
            let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
            option("--callers", callers.to_string().into());
            option("--seconds", turns.seconds.to_string().into());
            seen.push(turn(words)?);
        }
    }
    Ok(seen)
}

fn p50(seen: &Seen, side: Side) -> f64 {
    median(seen[side as usize].iter().map(|turn| turn.p50_us))
}

fn rate(seen: &Seen, side: Side) -> f64 {
    median(seen[side as usize].iter().map(|turn| turn.rate))
}

fn table(one: &Seen, many: &Seen) {
    println!("                        one caller, p50    {CALLERS} callers             p99");
    for side in Side::ALL {
        let p99 = median(many[side as usize].iter().map(|turn| turn.p99_us)) / 1e3;
        println!(
            "  {:<18} {:>14.0} µs    {:>8.0}/s   {p99:>10.2} ms",
            side.name(),
            p50(one, side),
            rate(many, side)
        );
    }
}

/// What a form comes to.
fn compare(form: Form, one: &Seen, many: &Seen) -> Vec<Figure> {
    let names = match form {
        Form::Whole => [
            "proxy.added_p50_us",
            "proxy.vs_nginx.c16",
            "proxy.vs_litellm.c16",
            "proxy.agent.added_p50_us",
            "proxy.agent.vs_nginx.c16",
        ],
        Form::Streamed => [
            "proxy.stream.added_p50_us",
            "proxy.stream.vs_nginx.c16",
            "proxy.stream.vs_litellm.c16",
            "proxy.agent.stream.added_p50_us",
            "proxy.agent.stream.vs_nginx.c16",
        ],
    };
    let added = |side| (p50(one, side) - p50(one, Side::Direct), "us");
    let against = |side, peer| (rate(many, side) / rate(many, peer), "ratio");
    let values = [
        added(Side::Gateway),
        against(Side::Gateway, Side::Nginx),
        against(Side::Gateway, Side::LiteLlm),
        added(Side::Agent),
        against(Side::Agent, Side::Nginx),
    ];
    let named = names.into_iter().zip(values);
    let figure = |(name, (value, unit))| Figure { name, value, unit };
    named.map(figure).collect()
}
