//! `cargo xtask VERB`: everything that people and machines run on this repository beyond plain
//! cargo.
//!
//! It only starts other programs and reads the sources. No part of the product depends on it, and
//! it depends on none, so that it builds in seconds on a fresh clone.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to a person at a terminal"
)]

mod bench;
mod demo;
mod generate;
mod http;
mod program;
mod repository;
mod setup;
mod shell;
mod terminal;
mod test;
mod tideline;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "What is run on this repository beyond plain cargo"
)]
enum Verb {
    /// Fetch and make what the other verbs need, under target/setup
    Setup(setup::Arguments),
    /// Write anew what is generated from the .proto files
    Gen,
    /// Check the rules of the house: who may know whom, sizes, words
    Tidy,
    /// Set up, then check and test everything
    Test(test::Arguments),
    /// Watch a gateway and an agent place real requests
    Demo(demo::Arguments),
    /// Measure Tideline beside its peers
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let done = match Verb::parse() {
        Verb::Setup(arguments) => setup::run(&arguments),
        Verb::Gen => generate::run(),
        Verb::Tidy => tidy::run(),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
