//! `cargo xtask test`: sets up what the tests need, then runs every check there is.
//!
//! A check that fails does not keep the others from running: one run tells everything that is
//! wrong. What is left out is named, with how to get it; under `CI` nothing is left out.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::setup::{self, Purpose, PythonChoice};
use crate::{repository, shell, tidy};

/// The series of cargo-deny that deny.toml is written for, and the version that is installed.
const DENY: (&str, &str) = ("0.20.", "0.20.2");

/// How much to insist.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Install what is missing, rather than leaving a check out
    #[arg(long, env = "CI", value_parser = clap::builder::FalseyValueParser::new())]
    ci: bool,
    #[command(flatten)]
    python: PythonChoice,
}

/// What became of a check.
#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(String),
    /// Left out, and how to have it.
    LeftOut(String),
}

/// A check that was run: its name, what became of it, and how long that took.
#[derive(Debug)]
struct Checked {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Runs every check, the tests last, and sums up.
///
/// # Errors
///
/// When a check failed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let setup = setup::Arguments::new(Purpose::Test, arguments.python.clone());
    let mut checks = vec![
        check("set-up", || passed(setup::run(&setup))),
        check("tidy", || passed(tidy::run())),
        check("format", || cargo(&["fmt", "--all", "--check"])),
        check("lints", || {
            cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "--deny",
                "warnings",
            ])
        }),
        check("documentation", || {
            let mut rustdoc = shell::command("cargo", ["doc", "--workspace", "--no-deps"]);
            passed(shell::run(rustdoc.env("RUSTDOCFLAGS", "--deny warnings")))
        }),
        check("dependencies", || deny(arguments.ci)),
        check("programs", || {
            let packages = ["edge-agent", "cloud-gateway", "tideline-cli"];
            let chosen = packages.iter().flat_map(|package| ["--package", package]);
            let build = ["build", "--bins"].into_iter().chain(chosen);
            passed(shell::run(&mut shell::command("cargo", build)))
        }),
    ];
    checks.push(check("tests", || {
        cargo(&["test", "--workspace", "--no-fail-fast"])
    }));
    sum_up(&checks)
}

/// Runs one check under its name.
fn check(name: &'static str, work: impl FnOnce() -> Outcome) -> Checked {
    println!("\n── {name}");
    let begun = Instant::now();
    let outcome = work();
    if let Outcome::Failed(error) = &outcome {
        eprintln!("{name}: {error}");
    }
    Checked {
        name,
        outcome,
        took: begun.elapsed(),
    }
}

fn cargo(arguments: &[&str]) -> Outcome {
    passed(shell::run(&mut shell::command("cargo", arguments)))
}

fn passed(done: Result<()>) -> Outcome {
    match done {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

/// Licences, bans and sources. Advisories need a database that not every machine can fetch:
/// `cargo deny check advisories` is for those that can.
fn deny(insist: bool) -> Outcome {
    let tools = repository::setup().join("tools");
    let own = tools.join("bin/cargo-deny");
    let suits = |program: &mut Command| {
        shell::ask(program.arg("--version"))
            .is_ok_and(|told| told.split_whitespace().any(|word| word.starts_with(DENY.0)))
    };
    let none: [&str; 0] = [];
    let mut program = if suits(&mut shell::command("cargo-deny", none)) {
        shell::command("cargo-deny", none)
    } else if suits(&mut shell::command(&own, none)) {
        shell::command(&own, none)
    } else if insist {
        let install = [
            "install",
            "--locked",
            "cargo-deny",
            "--version",
            DENY.1,
            "--root",
        ];
        if let Err(error) = shell::run(shell::command("cargo", install).arg(&tools)) {
            return Outcome::Failed(format!("{error:#}"));
        }
        shell::command(&own, none)
    } else {
        let get = format!("cargo install --locked cargo-deny --version {}", DENY.1);
        return Outcome::LeftOut(format!(
            "no cargo-deny {}x here: `{get}`, or set CI=true",
            DENY.0
        ));
    };
    passed(shell::run(
        program.args(["check", "licenses", "bans", "sources"]),
    ))
}

/// One line for each check, and whether all is well.
fn sum_up(checks: &[Checked]) -> Result<()> {
    println!("\n── summary");
    for Checked {
        name,
        outcome,
        took,
    } in checks
    {
        let told = match outcome {
            Outcome::Passed => "ok",
            Outcome::Failed(_) => "FAILED",
            Outcome::LeftOut(_) => "left out",
        };
        println!("{name:<14} {told:<9} {:>7.1} s", took.as_secs_f64());
        if let Outcome::LeftOut(how) = outcome {
            println!("               {how}");
        }
    }
    let failed: Vec<_> = checks
        .iter()
        .filter(|checked| matches!(checked.outcome, Outcome::Failed(_)))
        .map(|checked| checked.name)
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("all checks passed");
    Ok(())
}
