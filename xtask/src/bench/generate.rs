//! `cargo xtask bench generate`: text through the agent's HTTP API, against ONNX Runtime GenAI and
//! llama.cpp called from Python, on a model of SmolLM2-135M's shape with the same random 4-bit weights.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Arguments, Figure, Turns, at_rest, median, servers, title};
use crate::setup;
use crate::terminal::Terminal;
use crate::tideline::{self, Agent, AgentSettings};
use crate::{repository, shell};

/// Threads of each side.
const THREADS: usize = 2;
/// Tokens of a prompt and of its answer.
const PROMPT: usize = 128;
const ANSWER: usize = 128;
/// Tokens of a conversation, and of its next turn.
const CONVERSATION: usize = 512;
const TURN: usize = 16;
/// Answers at once.
const STREAMS: usize = 8;

/// What one order took; what was not asked for is 0.
#[derive(Debug, Clone, Copy, Default)]
struct Report {
    /// Seconds to the first token.
    first: f64,
    /// Seconds for each token after it.
    each: f64,
    /// Tokens a second, reading included.
    rate: f64,
    /// Resident memory in MiB, the most so far; 0 for the agent, which runs elsewhere.
    memory: f64,
}

/// Sets up the peers, makes the model, and measures; the three take turns.
pub(super) fn measure(
    turns: Turns,
    terminal: &Terminal,
    arguments: &Arguments,
) -> Result<Vec<Figure>> {
    let events = servers(arguments)?;
    let folder = tideline::fresh_folder("bench/generate")?;
    setup::generating_peers(&arguments.python)?;
    shell::run(python("make_model.py").arg(&folder))?;
    let settings = AgentSettings {
        folder: &folder,
        models: &[(folder.join("smol"), &[])],
        policy: None,
        gateway: None,
        by: None,
    };
    let agent = Agent::start(&settings, &events)?;
    let mut sides = [
        Side::start("ours", &agent.http.to_string(), Some(&agent.token_file()))?,
        Side::start("genai", &folder.join("smol").display().to_string(), None)?,
        Side::start(
            "llamacpp",
            &folder.join("smol.gguf").display().to_string(),
            None,
        )?,
    ];

    let one = json!({ "prompt": PROMPT, "answer": ANSWER });
    let [ours, genai, llama] = rounds(turns, &mut sides, &one)?;
    let memory = at_rest::resident_mib(agent.program.pid())?;
    let warm = json!({ "prompt": CONVERSATION, "again": TURN, "answer": 2 });
    let [warm, ..] = rounds(turns, &mut sides[..1], &warm)?;
    let cold = json!({ "prompt": CONVERSATION + TURN, "answer": 2 });
    let [cold, ..] = rounds(turns, &mut sides[..1], &cold)?;
    let many = json!({ "prompt": PROMPT, "answer": ANSWER, "streams": STREAMS });
    let [many, many_genai, _] = rounds(turns, &mut sides[..2], &many)?;

    title(
        terminal,
        &format!(
            "generate: {PROMPT} tokens in, {ANSWER} out, {THREADS} threads (medians of the turns)"
        ),
    );
    table(&[
        ("tideline (HTTP)", ours, memory),
        ("GenAI", genai, genai.memory),
        ("llama.cpp", llama, llama.memory),
    ]);
    println!(
        "  next turn of {CONVERSATION} tokens: {:.1} ms, cold {:.1} ms",
        warm.first * 1e3,
        cold.first * 1e3
    );
    println!(
        "  {STREAMS} streams of different lengths: {:.1} tokens/s with reading; GenAI, one batch of one length: {:.1}",
        many.rate, many_genai.rate
    );
    agent.program.stop(&events)?;
    let ratio = |name, value| Figure {
        name,
        value,
        unit: "ratio",
    };
    Ok(vec![
        ratio("generate.decode_vs_genai", genai.each / ours.each),
        ratio("generate.decode_vs_llamacpp", llama.each / ours.each),
        ratio("generate.ttft_vs_genai", ours.first / genai.first),
        ratio("generate.ttft_vs_llamacpp", ours.first / llama.first),
        ratio("generate.warm_ttft_ratio", warm.first / cold.first),
        ratio("generate.streams8_ratio", many.rate / ours.rate),
        ratio("generate.rss_vs_genai", memory / genai.memory),
    ])
}

/// A line for each side, with its resident memory.
fn table(rows: &[(&str, Report, f64)]) {
    println!("                   first token    tokens/s   with reading   resident");
    for (name, side, memory) in rows {
        println!(
            "  {name:<16} {:>8.1} ms    {:>8.1}       {:>8.1}   {memory:>5.0} MiB",
            side.first * 1e3,
            1.0 / side.each,
            side.rate
        );
    }
}

/// The same order for each side, in turns; the medians of what they report.
fn rounds(turns: Turns, sides: &mut [Side], order: &Value) -> Result<[Report; 3]> {
    let mut reports = vec![Vec::new(); sides.len()];
    for _ in 0..turns.rounds {
        for (side, reports) in sides.iter_mut().zip(&mut reports) {
            reports.push(side.turn(order)?);
        }
    }
    let mut medians = [Report::default(); 3];
    for (middle, reports) in medians.iter_mut().zip(&reports) {
        let of = |field: fn(&Report) -> f64| median(reports.iter().map(field));
        *middle = Report {
            first: of(|report| report.first),
            each: of(|report| report.each),
            rate: of(|report| report.rate),
            memory: of(|report| report.memory),
        };
    }
    Ok(medians)
}

/// A script of `tests/peers/generate` in the peers' Python.
fn python(script: &str) -> std::process::Command {
    let script = repository::root().join("tests/peers/generate").join(script);
    shell::command(repository::setup().join("venv-genai/bin/python"), [script])
}

/// One engine, waiting for its next turn.
struct Side {
    child: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
}

impl Side {
    fn start(kind: &str, place: &str, token_file: Option<&Path>) -> Result<Self> {
        let mut command = python("measure.py");
        command
            .args([kind, place, &THREADS.to_string()])
            .args(token_file);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {kind}"))?;
        let orders = child.stdin.take().context("it takes no orders")?;
        let reports = child.stdout.take().context("it does not report")?;
        let mut side = Self {
            child,
            orders,
            reports: BufReader::new(reports),
        };
        let said = side.hear()?;
        if said != "ready" {
            bail!("{kind} said {said:?}, expected `ready`");
        }
        Ok(side)
    }

    fn turn(&mut self, order: &Value) -> Result<Report> {
        writeln!(self.orders, "{order}").context("it takes no orders")?;
        let said = self.hear()?;
        let told: Value = serde_json::from_str(&said)
            .with_context(|| format!("expected a report, got {said:?}"))?;
        let number = |name: &str| told[name].as_f64().unwrap_or(0.0);
        Ok(Report {
            first: number("first"),
            each: number("each"),
            rate: number("rate"),
            memory: number("memory"),
        })
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        self.reports
            .read_line(&mut line)
            .context("it does not report")?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
