//! `cargo xtask bench policy`: the same rules in our engine and in the best that others have, on the
//! same requests in one run. The engines are in `tests/policy-peers`, which is built for this alone.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Figure, Turns, title};
use crate::terminal::Terminal;
use crate::{repository, shell};

/// As the peers' program calls us.
const OURS: &str = "tideline";
const PEERS: [&str; 4] = ["cel", "cedar", "regorus", "regorus RVM"];

/// What the peers' program tells of one size of policy.
struct Size(Value);

impl Size {
    fn number(&self, name: &str) -> Result<f64> {
        let number = self.0[name].as_f64();
        number.with_context(|| format!("the peers do not tell `{name}`"))
    }

    fn of(&self, engine: &str, name: &str) -> Result<f64> {
        let mut engines = self.0["engines"].as_array().into_iter().flatten();
        let found = engines.find(|one| one["name"] == engine);
        found
            .and_then(|one| one[name].as_f64())
            .with_context(|| format!("the peers do not tell `{name}` of {engine}"))
    }
}

/// Builds the peers, and measures.
pub(super) fn measure(turns: Turns, terminal: &Terminal) -> Result<Vec<Figure>> {
    let folder = repository::root().join("tests/policy-peers");
    let target = repository::root().join("target/bench/policy-peers");
    let mut build = shell::command("cargo", ["build", "--release", "--locked"]);
    build.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    shell::run(build.arg("--target-dir").arg(&target))?;

    let words = [turns.rounds.to_string(), turns.seconds.to_string()];
    let program = target.join("release/policy-peers");
    let told = shell::ask(&mut shell::command(program, words))?;
    let sizes: Result<Vec<Size>, _> = told
        .lines()
        .map(|line| serde_json::from_str(line).map(Size))
        .collect();
    let sizes = sizes.context("expected a report in JSON on each line")?;
    let [ten, hundred, thousand] = sizes.as_slice() else {
        bail!("the peers tell of {} sizes, not of three", sizes.len());
    };
    table([ten, hundred, thousand], terminal)?;
    figures([ten, hundred, thousand])
}

fn table(sizes: [&Size; 3], terminal: &Terminal) -> Result<()> {
    title(
        terminal,
        "policy: the rules that match, in microseconds a request (medians of the turns)",
    );
    let [ten, hundred, thousand] = sizes;
    println!(
        "  checked: all engines find that the same rules match, for each of {} requests of every size",
        hundred.number("requests")?
    );
    println!(
        "  rules that match: {:.1} of 10, {:.1} of 100, {:.1} of 1,000; a look at the clock: {:.3}",
        ten.number("matched")?,
        hundred.number("matched")?,
        thousand.number("matched")?,
        hundred.number("clock_us")?,
    );
    println!(
        "\n  {:<12}{:>20}{:>20}{:>20}{:>13}{:>15}",
        "", "10 rules", "100 rules", "1,000 rules", "allocations", "loading 1,000"
    );
    let pair = format!("{:>10}{:>10}", "p50", "p99");
    println!("  {:<12}{pair}{pair}{pair}{:>13}", "", "at 100");
    for name in [OURS].into_iter().chain(PEERS) {
        print!("  {name:<12}");
        for size in sizes {
            let (p50, p99) = (size.of(name, "p50_us")?, size.of(name, "p99_us")?);
            print!("{p50:10.3}{p99:10.3}");
        }
        let allocations = hundred.of(name, "allocations")?;
        let loading = thousand.of(name, "compile_ms")?;
        println!("{allocations:13.1}{loading:12.1} ms");
    }
    println!("\n  Ours also judges 8 candidates and keeps the reasons; the others do not.");
    Ok(())
}

fn figures([ten, hundred, thousand]: [&Size; 3]) -> Result<Vec<Figure>> {
    let figure = |name, value, unit| Figure { name, value, unit };
    let ours = hundred.of(OURS, "p50_us")?;
    let ratio = |name, peer: f64| figure(name, peer / ours, "ratio");
    let p99 = hundred.of(OURS, "p99_us")?;
    let allocations = hundred.of(OURS, "allocations")?;
    let loading = thousand.of(OURS, "compile_ms")?;
    Ok(vec![
        figure("policy.p50_us.r10", ten.of(OURS, "p50_us")?, "us"),
        figure("policy.p50_us.r100", ours, "us"),
        figure("policy.p50_us.r1000", thousand.of(OURS, "p50_us")?, "us"),
        figure("policy.p99_us.r100", p99, "us"),
        ratio("policy.vs_cel.r100", hundred.of("cel", "p50_us")?),
        ratio("policy.vs_cedar.r100", hundred.of("cedar", "p50_us")?),
        ratio(
            "policy.vs_regorus.r100",
            hundred.of("regorus RVM", "p50_us")?,
        ),
        figure("policy.allocations", allocations, "count"),
        figure("policy.compile_ms.r1000", loading, "ms"),
    ])
}
