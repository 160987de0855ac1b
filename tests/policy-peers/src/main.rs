//! The same rules in Tideline's policy engine, the `cel` interpreter, Cedar and regorus, on the same
//! requests in one run. Prints one JSON object for each size of policy and judges nothing; `cargo xtask
//! bench policy` reads it.
//!
//! Every engine finds which rules match; before anything is timed they must agree on that for every
//! request. What an engine takes as input is made before the clock starts, and what came out is let go
//! of after it stopped. Ours also judges eight candidates and keeps the reasons; the others do not.

#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
mod allocations;
mod cedar;
mod engine;
mod interpreter;
mod ours;
mod rego;
mod rules;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use self::engine::{agree, enter};

/// Requests that are tried.
const CASES: usize = 512;

/// `policy-peers ROUNDS SECONDS`: how many turns each takes, and how long one is.
fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let rounds = words.next().context("how many rounds?")?.parse::<usize>()?;
    let seconds = words.next().context("how many seconds?")?.parse::<f64>()?;
    let turn = Duration::try_from_secs_f64(seconds)?;
    for size in [10, 100, 1_000] {
        let rules = rules::rules(size);
        let cases = rules::cases(CASES, size);
        let mut all = [
            enter::<ours::Ours>(&rules, &cases, rounds)?,
            enter::<interpreter::Cel>(&rules, &cases, rounds)?,
            enter::<cedar::Cedar>(&rules, &cases, rounds)?,
            enter::<rego::Rego>(&rules, &cases, rounds)?,
            enter::<rego::Rvm>(&rules, &cases, rounds)?,
        ];
        let matched = agree(&mut all)?;
        for _ in 0..rounds {
            for one in &mut all {
                one.take_turn(turn);
            }
        }
        let engines: Vec<_> = all.iter_mut().map(|one| one.report()).collect();
        let told = json!({
            "rules": size, "requests": CASES, "matched": matched, "clock_us": clock_us(),
            "engines": engines,
        });
        println!("{told}");
    }
    Ok(())
}

/// What one look at the clock takes.
fn clock_us() -> f64 {
    const LOOKS: u32 = 100_000;
    let begun = Instant::now();
    for _ in 0..LOOKS {
        std::hint::black_box(Instant::now());
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKS)
}
