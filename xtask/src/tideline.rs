//! Our own programs as processes: a gateway and an agent on free ports, with configuration, state
//! and logs in one folder below `target`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::program::{Events, Program};
use crate::{repository, setup, shell};

/// How long a program may take until it is ready: the first start measures its models.
const START: Duration = Duration::from_secs(120);

/// The programs that are built.
const PACKAGES: [&str; 3] = ["edge-agent", "cloud-gateway", "tideline-cli"];

/// Builds the three programs as users get them.
///
/// # Errors
///
/// When one does not compile.
pub(crate) fn build() -> Result<()> {
    let chosen = PACKAGES.iter().flat_map(|package| ["--package", package]);
    let build = ["build", "--release", "--bins"].into_iter().chain(chosen);
    shell::run(&mut shell::command("cargo", build))
}

/// A program as it was built.
pub(crate) fn built(name: &str) -> PathBuf {
    repository::root().join("target/release").join(name)
}

/// An empty folder below `target`.
///
/// # Errors
///
/// When what was there cannot be removed.
pub(crate) fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = repository::root().join("target").join(name);
    setup::remove(&folder)?;
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    Ok(folder)
}

/// This port on loopback when it is free, or any other that is.
///
/// # Errors
///
/// When no port is free.
pub(crate) fn address(usual: u16) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, usual))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("no port is free on loopback")?;
    listener.local_addr().context("no port is free on loopback")
}

/// What an agent is told.
#[derive(Debug)]
pub(crate) struct AgentSettings<'a> {
    /// Where its configuration, state and log go.
    pub folder: &'a Path,
    /// Model packages, each with the variants to load; none is all.
    pub models: &'a [(PathBuf, &'a [&'a str])],
    /// The policy; without one nothing leaves.
    pub policy: Option<&'a Path>,
    /// The gateway's gRPC address.
    pub gateway: Option<SocketAddr>,
}

/// `tideline-agent`, running.
#[derive(Debug)]
pub(crate) struct Agent {
    pub program: Program,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    state: PathBuf,
}

impl Agent {
    /// Starts one, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready; its last words are in the message.
    pub(crate) fn start(settings: &AgentSettings<'_>, events: &Events) -> Result<Self> {
        let (http, grpc) = (address(7071)?, address(7072)?);
        let state = settings.folder.join("agent");
        let config = settings.folder.join("agent.yaml");
        fs::write(&config, settings.to_yaml(&state, http, grpc))
            .with_context(|| format!("could not write {}", config.display()))?;
        let run = [Path::new("run"), Path::new("--config"), &config];
        let command = shell::command(built("tideline-agent"), run);
        let log = settings.folder.join("agent.log");
        let program = Program::start("tideline-agent", command, &log, events)?;
        ready(&program, http, events)?;
        Ok(Self {
            program,
            http,
            grpc,
            state,
        })
    }

    /// The file that holds the token of its local API.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.state.join("token")
    }
}

impl AgentSettings<'_> {
    fn to_yaml(&self, state: &Path, http: SocketAddr, grpc: SocketAddr) -> String {
        let library = repository::setup().join("onnxruntime");
        let mut yaml = format!(
            "stateDir: {state:?}\nlisten:\n  http: \"{http}\"\n  grpc: \"{grpc}\"\n\
             runtime:\n  library: {library:?}\nmodels:\n"
        );
        for (package, variants) in self.models {
            yaml += &format!("  - path: {package:?}\n");
            if !variants.is_empty() {
                yaml += &format!("    variants: {variants:?}\n");
            }
        }
        if let Some(policy) = self.policy {
            yaml += &format!("policy: {policy:?}\n");
        }
        if let Some(gateway) = self.gateway {
            yaml += &format!("gateway:\n  url: \"http://{gateway}\"\n");
        }
        yaml
    }
}

/// Waits until a program says that it is ready.
///
/// # Errors
///
/// When it does not in time, or ends first; with its last words.
pub(crate) fn ready(program: &Program, http: SocketAddr, events: &Events) -> Result<()> {
    let client = crate::http::client();
    let url = format!("http://{http}/readyz");
    let answers = || {
        client
            .get(&url)
            .call()
            .is_ok_and(|answer| answer.status().is_success())
    };
    let what = format!("the start of {}", program.name());
    events
        .until(&what, START, answers)
        .with_context(|| program.last_words())
}
