//! `cargo xtask bench infer`: one tensor through a model that echoes over the Open Inference
//! Protocol, against servers that are made for it and against a server with nothing behind it.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::load::{Turn, turn};
use super::{Figure, Turns, median, title};
use crate::program::{Events, Program};
use crate::terminal::Terminal;
use crate::tideline::{self, Agent, AgentSettings};
use crate::{repository, shell};

/// How many call at once.
const CALLERS: u16 = 16;
/// 16 KiB of 32-bit floats.
const ELEMENTS: u16 = 4096;
/// How long a peer may take until it answers.
const START: Duration = Duration::from_secs(60);

/// Somebody who serves a model that echoes.
#[derive(Debug)]
struct Server {
    name: &'static str,
    /// The figure that compares us with it.
    figure: &'static str,
    address: SocketAddr,
    program: Program,
}

/// Measures; all servers run, and take turns.
pub(super) fn measure(turns: Turns, terminal: &Terminal, events: &Events) -> Result<Vec<Figure>> {
    let folder = tideline::fresh_folder("bench/infer")?;
    let agent = agent(&folder, events)?;
    let peers = [
        echo(&folder, events)?,
        mlserver(&folder, events)?,
        pytriton(&folder, events)?,
    ];
    for peer in &peers {
        let answers = || load(peer.address, None, 1, 0.1).is_ok();
        let what = format!("the start of {}", peer.name);
        events
            .until(&what, START, answers)
            .with_context(|| peer.program.last_words())?;
    }

    let mut ours = Vec::new();
    let mut theirs: [Vec<Turn>; 3] = Default::default();
    for _ in 0..turns.rounds {
        ours.push(load(agent.grpc, Some(&agent), CALLERS, turns.seconds)?);
        for (peer, seen) in peers.iter().zip(&mut theirs) {
            seen.push(load(peer.address, None, CALLERS, turns.seconds)?);
        }
    }

    title(
        terminal,
        "infer: 16 KiB there and back over gRPC, 16 callers on one connection (medians of the turns)",
    );
    let rate = |seen: &[Turn]| median(seen.iter().map(|turn| turn.rate));
    let row = |name: &str, seen: &[Turn]| {
        let p50 = median(seen.iter().map(|turn| turn.p50_us)) / 1e3;
        let p99 = median(seen.iter().map(|turn| turn.p99_us)) / 1e3;
        println!(
            "  {name:<16} {:8.0}/s   p50 {p50:8.3} ms   p99 {p99:8.3} ms",
            rate(seen)
        );
    };
    row("tideline-agent", &ours);
    let mut figures = Vec::new();
    for (peer, seen) in peers.iter().zip(&theirs) {
        row(peer.name, seen);
        let value = rate(&ours) / rate(seen);
        figures.push(Figure {
            name: peer.figure,
            value,
            unit: "ratio",
        });
    }

    agent.program.stop(events)?;
    for peer in peers {
        // Not every peer calls it a success to be told to end.
        let _ = peer.program.stop(events);
    }
    Ok(figures)
}

/// One turn of the load generator.
fn load(server: SocketAddr, agent: Option<&Agent>, callers: u16, seconds: f64) -> Result<Turn> {
    let mut words: Vec<OsString> = ["infer", "--model", "echo", "--input", "input"]
        .map(Into::into)
        .into();
    let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
    option("--server", server.to_string().into());
    option("--elements", ELEMENTS.to_string().into());
    option("--callers", callers.to_string().into());
    option("--seconds", seconds.to_string().into());
    if let Some(agent) = agent {
        option("--token-file", agent.token_file().into());
    }
    turn(words)
}

fn agent(folder: &Path, events: &Events) -> Result<Agent> {
    let echo = repository::setup().join("models/fixtures/echo");
    let settings = AgentSettings {
        folder,
        models: &[(echo, &[])],
        policy: None,
        gateway: None,
        by: None,
    };
    Agent::start(&settings, events)
}

/// The same gRPC stack with nothing behind it.
fn echo(folder: &Path, events: &Events) -> Result<Server> {
    let address = tideline::address(0)?;
    let listen = ["echo".into(), "--listen".into(), address.to_string()];
    let command = shell::command(tideline::built("peers"), listen);
    let program = Program::start("bare echo", command, &folder.join("echo.log"), events)?;
    Ok(Server {
        name: "bare tonic echo",
        figure: "infer.vs_bare.c16",
        address,
        program,
    })
}

fn mlserver(folder: &Path, events: &Events) -> Result<Server> {
    let (address, http, metrics) = (
        tideline::address(0)?,
        tideline::address(0)?,
        tideline::address(0)?,
    );
    let home = folder.join("mlserver");
    let write = |path: &str, text: &str| {
        fs::write(home.join(path), text).with_context(|| format!("could not write {path}"))
    };
    fs::create_dir_all(home.join("echo")).context("could not create a folder")?;
    let settings = json!({
        "host": "127.0.0.1",
        "grpc_port": address.port(),
        "http_port": http.port(),
        "metrics_port": metrics.port(),
        "parallel_workers": 0,
    });
    write("settings.json", &settings.to_string())?;
    write(
        "echo/model-settings.json",
        r#"{"name": "echo", "implementation": "echo_model.Echo"}"#,
    )?;
    let model = repository::root().join("tests/peers/mlserver/echo_model.py");
    fs::copy(model, home.join("echo/echo_model.py")).context("could not copy the model")?;
    let mut command = Command::new(repository::setup().join("venv-mlserver/bin/mlserver"));
    command.args(["start", "."]).current_dir(&home);
    let program = Program::start("mlserver", command, &folder.join("mlserver.log"), events)?;
    Ok(Server {
        name: "mlserver",
        figure: "infer.vs_mlserver.c16",
        address,
        program,
    })
}

fn pytriton(folder: &Path, events: &Events) -> Result<Server> {
    let (address, http) = (tideline::address(0)?, tideline::address(0)?);
    let script = repository::root().join("tests/peers/pytriton_echo.py");
    let mut command = Command::new(repository::setup().join("venv-pytriton/bin/python"));
    command
        .arg(script)
        .args([address.port(), http.port(), ELEMENTS].map(|it| it.to_string()));
    command.current_dir(folder);
    let program = Program::start("pytriton", command, &folder.join("pytriton.log"), events)?;
    Ok(Server {
        name: "pytriton",
        figure: "infer.vs_pytriton.c16",
        address,
        program,
    })
}
