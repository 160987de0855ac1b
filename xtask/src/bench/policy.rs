//! `cargo xtask bench policy`: the same rules in our engine and in the best that others have, on the
//! same requests in one run. The engines are in `tests/policy-peers`, which is built for this alone.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Figure, title};
use crate::terminal::Terminal;
use crate::{repository, shell};

/// What the peers' program tells of one size of policy.
struct Size(Value);

impl Size {
    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or(f64::NAN)
    }

    fn engine(&self, name: &str, what: &str) -> f64 {
        let engines = self.0["engines"].as_array().into_iter().flatten();
        let mut named = engines.filter(|engine| engine["name"] == name);
        named
            .next()
            .and_then(|engine| engine[what].as_f64())
            .unwrap_or(f64::NAN)
    }
}

/// Builds the peers, and measures.
pub(super) fn measure(rounds: usize, terminal: &Terminal) -> Result<Vec<Figure>> {
    let manifest = repository::root().join("tests/policy-peers/Cargo.toml");
    let target = repository::root().join("target/bench/policy-peers");
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target);
    shell::run(&mut build)?;
    let told = Command::new(target.join("release/policy-peers"))
        .arg((rounds * 60).to_string())
        .output()
        .context("the peers do not run")?;
    if !told.status.success() {
        bail!(
            "the peers ended with {}:\n{}",
            told.status,
            String::from_utf8_lossy(&told.stderr)
        );
    }
    let lines = String::from_utf8_lossy(&told.stdout).into_owned();
    let sizes: Vec<Size> = lines
        .lines()
        .map(|line| serde_json::from_str(line).map(Size))
        .collect::<Result<_, _>>()
        .context("the peers do not tell figures")?;
    let [ten, hundred, thousand] = sizes.as_slice() else {
        bail!("the peers tell of {} sizes, not of three", sizes.len());
    };
    title(
        terminal,
        "policy: which rules match, in microseconds a request; ours also judges 8 candidates and keeps the reasons",
    );
    println!(
        "  all engines agreed on the rules that match for each of {} requests of every size",
        hundred.number("requests")
    );
    println!(
        "  {:<14}{:>29}{:>29}{:>29}",
        "", "10 rules", "100 rules", "1,000 rules"
    );
    for name in ["tideline", "cel", "cedar", "regorus", "regorus RVM"] {
        let cells: Vec<String> = [ten, hundred, thousand]
            .iter()
            .map(|size| {
                let (p50, p99) = (size.engine(name, "p50_us"), size.engine(name, "p99_us"));
                format!("p50 {p50:8.3} p99 {p99:8.3}")
            })
            .collect();
        println!(
            "  {name:<14}{:>29}{:>29}{:>29}",
            cells[0], cells[1], cells[2]
        );
    }
    println!(
        "  {:<14}{:>29}{:>29}{:>29}",
        "rules matched",
        ten.number("matched").round(),
        hundred.number("matched").round(),
        thousand.number("matched").round()
    );
    Ok(figures(ten, hundred, thousand))
}

fn figures(ten: &Size, hundred: &Size, thousand: &Size) -> Vec<Figure> {
    let figure = |name, value, unit| Figure { name, value, unit };
    let ours = |size: &Size| size.engine("tideline", "p50_us");
    let times = |name: &str| hundred.engine(name, "p50_us") / ours(hundred);
    vec![
        figure("policy.p50_us.r10", ours(ten), "us"),
        figure("policy.p50_us.r100", ours(hundred), "us"),
        figure("policy.p50_us.r1000", ours(thousand), "us"),
        figure(
            "policy.p99_us.r100",
            hundred.engine("tideline", "p99_us"),
            "us",
        ),
        figure("policy.vs_cel.r100", times("cel"), "x"),
        figure("policy.vs_cedar.r100", times("cedar"), "x"),
        figure("policy.vs_regorus.r100", times("regorus RVM"), "x"),
        figure(
            "policy.allocations",
            hundred.number("allocations"),
            "allocations",
        ),
        figure(
            "policy.compile_ms.r1000",
            thousand.number("compile_ms"),
            "ms",
        ),
    ]
}
