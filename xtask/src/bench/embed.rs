//! `cargo xtask bench embed`: a text's embedding through the agent's HTTP API, against ONNX Runtime
//! called from Python on the same model file, threads and texts. Tokenisation is part of both.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::load::{EmbedLoad, Turn};
use super::{Figure, Turns, at_rest, decisions, median, title};
use crate::program::Events;
use crate::terminal::Terminal;
use crate::tideline::{self, Agent, AgentSettings};
use crate::{repository, shell};

/// The lengths that are measured, in tokens.
const LENGTHS: [u16; 2] = [16, 128];
/// How many call at once when throughput is measured.
const CALLERS: u16 = 32;
/// The variant that both sides run.
const VARIANT: &str = "int8";
/// That variant's file in the package.
const MODEL: &str = "onnx/model_int8.onnx";

/// Measures; the agent and the baseline take turns.
pub(super) fn measure(turns: Turns, terminal: &Terminal, events: &Events) -> Result<Vec<Figure>> {
    let folder = tideline::fresh_folder("bench/embed")?;
    let package = repository::setup().join("models/minilm");
    texts(&package, &folder)?;
    let settings = AgentSettings {
        folder: &folder,
        models: &[(package.clone(), &[VARIANT])],
        policy: None,
        gateway: None,
        by: None,
    };
    let agent = Agent::start(&settings, events)?;
    let mut baseline = Baseline::start(&package)?;

    title(
        terminal,
        "embed: agent over HTTP, against onnxruntime in Python (p50 of each turn, ms)",
    );
    let mut figures = Vec::new();
    for (length, name) in LENGTHS
        .into_iter()
        .zip(["embed.latency_ratio.t16", "embed.latency_ratio.t128"])
    {
        let (ours, theirs) = alternate(
            turns,
            &agent,
            &mut baseline,
            &folder,
            Load { length, callers: 1 },
        )?;
        let of = |turns: &[Turn]| median(turns.iter().map(|turn| turn.p50_us));
        println!(
            "  {length:>3} tokens, one caller   agent {:8.3}   onnxruntime {:8.3}   ratio {:.3}",
            of(&ours) / 1e3,
            of(&theirs) / 1e3,
            of(&ours) / of(&theirs)
        );
        figures.push(Figure {
            name,
            value: of(&ours) / of(&theirs),
            unit: "ratio",
        });
    }

    let load = Load {
        length: LENGTHS[0],
        callers: CALLERS,
    };
    let (ours, theirs) = alternate(turns, &agent, &mut baseline, &folder, load)?;
    let of = |turns: &[Turn]| median(turns.iter().map(|turn| turn.rate));
    println!(
        "   16 tokens, {CALLERS} callers   agent {:6.0}/s   onnxruntime {:6.0}/s, one by one   ratio \
         {:.3}",
        of(&ours),
        of(&theirs),
        of(&ours) / of(&theirs)
    );
    println!(
        "      p99 with {CALLERS} callers {:.1} ms",
        median(ours.iter().map(|it| it.p99_us)) / 1e3
    );
    let value = of(&ours) / of(&theirs);
    figures.push(Figure {
        name: "embed.throughput_ratio.c32",
        value,
        unit: "ratio",
    });
    drop(baseline);

    figures.extend(at_rest::measure(&agent, events)?);
    agent.program.stop(events)?;
    let long = folder.join(format!("texts-{}.json", decisions::LENGTH));
    figures.extend(decisions::measure(turns, &long, events)?);
    Ok(figures)
}

/// What one turn asks for.
#[derive(Debug, Clone, Copy)]
struct Load {
    length: u16,
    callers: u16,
}

/// The agent under this load and the baseline in its one loop, round by round.
fn alternate(
    turns: Turns,
    agent: &Agent,
    baseline: &mut Baseline,
    folder: &Path,
    load: Load,
) -> Result<(Vec<Turn>, Vec<Turn>)> {
    let texts = folder.join(format!("texts-{}.json", load.length));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let load = EmbedLoad {
        texts: &texts,
        callers: load.callers,
        seconds: turns.seconds,
    };
    for _ in 0..turns.rounds {
        ours.push(load.turn(agent)?);
        theirs.push(baseline.turn(&texts, turns.seconds)?);
    }
    Ok((ours, theirs))
}

/// Writes texts of the exact lengths.
fn texts(package: &Path, folder: &Path) -> Result<()> {
    let lengths = LENGTHS.into_iter().chain([decisions::LENGTH]);
    let lengths = lengths.map(|length| OsString::from(length.to_string()));
    let mut script = python("texts.py");
    script
        .arg(package.join("tokenizer.json"))
        .arg(folder)
        .args(lengths);
    shell::run(&mut script)
}

/// A script of `tests/peers` in the Python of the set-up.
fn python(script: &str) -> Command {
    let script = repository::root().join("tests/peers").join(script);
    shell::command(repository::setup().join("venv/bin/python"), [script])
}

/// ONNX Runtime in Python, waiting for its next turn.
#[derive(Debug)]
struct Baseline {
    child: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
}

impl Baseline {
    fn start(package: &Path) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut command = python("onnxruntime_embed.py");
        command
            .arg(model(package)?)
            .arg(package.join("tokenizer.json"))
            .arg(threads.to_string());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start the baseline")?;
        let orders = child.stdin.take().context("the baseline has no input")?;
        let reports = child.stdout.take().context("the baseline has no output")?;
        let mut baseline = Self {
            child,
            orders,
            reports: BufReader::new(reports),
        };
        let said = baseline.hear()?;
        if said != "ready" {
            bail!("the baseline said {said:?}, expected `ready`");
        }
        Ok(baseline)
    }

    fn turn(&mut self, texts: &Path, seconds: f64) -> Result<Turn> {
        let order = json!({ "texts": texts, "seconds": seconds });
        writeln!(self.orders, "{order}").context("the baseline takes no orders")?;
        Turn::parse(&self.hear()?)
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        self.reports
            .read_line(&mut line)
            .context("the baseline does not report")?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The model file of the variant.
fn model(package: &Path) -> Result<PathBuf> {
    let file = package.join(MODEL);
    if !file.is_file() {
        bail!("{} is not there", file.display());
    }
    Ok(file)
}
