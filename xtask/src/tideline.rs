//! Our own programs as processes: a gateway and an agent on free ports, with configuration, state
//! and logs in one folder below `target`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::program::{Events, Program};
use crate::{http, repository, setup, shell};

/// How long a program may take until it is ready: the first start measures its models.
const START: Duration = Duration::from_secs(120);

/// How long an agent and its gateway may take to find each other.
const ATTACH: Duration = Duration::from_secs(20);

/// A package of the workspace with a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    Agent,
    Gateway,
    CommandLine,
    Peers,
}

impl Package {
    /// What Tideline's users get.
    pub(crate) const PRODUCT: [Self; 3] = [Self::Agent, Self::Gateway, Self::CommandLine];
    /// That, and what benchmarks add.
    pub(crate) const ALL: [Self; 4] = [Self::Agent, Self::Gateway, Self::CommandLine, Self::Peers];

    fn name(self) -> &'static str {
        match self {
            Self::Agent => "edge-agent",
            Self::Gateway => "cloud-gateway",
            Self::CommandLine => "tideline-cli",
            Self::Peers => "tideline-peers",
        }
    }
}

/// Builds programs as users get them.
///
/// # Errors
///
/// When one does not compile.
pub(crate) fn build(packages: &[Package]) -> Result<()> {
    let chosen = packages
        .iter()
        .flat_map(|package| ["--package", package.name()]);
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

/// A model package to load: its folder, and the variants of it; none is all.
pub(crate) type Model<'a> = (PathBuf, &'a [&'a str]);

/// What a gateway is told.
#[derive(Debug)]
pub(crate) struct GatewaySettings<'a> {
    /// Where its configuration, state and log go.
    pub folder: &'a Path,
    /// What its site serves, and for how much.
    pub models: &'a [(Model<'a>, Price)],
    /// The policy for thin clients; without one they are served nothing.
    pub policy: Option<&'a Path>,
    /// Services that it hands requests on to: a list in YAML, or nothing.
    pub upstreams: &'a str,
}

/// What a million tokens cost, in US dollars.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Price {
    /// Of what goes in.
    pub prompt: f64,
    /// Of what is generated.
    pub answer: f64,
}

/// `tideline-gateway`, running on embedded SQLite.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub program: Program,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    state: PathBuf,
}

impl Gateway {
    /// Starts one, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready; its last words are in the message.
    pub(crate) fn start(settings: &GatewaySettings<'_>, events: &Events) -> Result<Self> {
        let (grpc, http) = (address(7080)?, address(7081)?);
        let state = settings.folder.join("gateway");
        let offered = settings.models.iter().map(|(model, price)| {
            let Price { prompt, answer } = price;
            let prices = format!(
                "    usdPerMillionTokens: {prompt}\n    usdPerMillionAnswerTokens: {answer}\n"
            );
            model_yaml(model, &prices)
        });
        let mut yaml = format!(
            "insecureDev: true\n{}site:\n  name: cloud\n  boundary: cloud\nmodels:\n{}",
            places(&state, grpc, http),
            offered.collect::<String>()
        );
        if let Some(policy) = settings.policy {
            yaml += &format!("policy: {policy:?}\n");
        }
        if !settings.upstreams.is_empty() {
            yaml += &format!("upstreams:\n{}", settings.upstreams);
        }
        let program = start("tideline-gateway", settings.folder, &yaml, events)?;
        ready(&program, http, events)?;
        Ok(Self {
            program,
            grpc,
            http,
            state,
        })
    }

    /// The words with which `tideline` reaches it as its operator.
    pub(crate) fn operator(&self) -> [String; 4] {
        let url = format!("http://{}", self.grpc);
        let token = self.operators_token_file().display().to_string();
        [
            "--gateway".to_owned(),
            url,
            "--token-file".to_owned(),
            token,
        ]
    }

    /// What `tideline WORDS` lists.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer with a list.
    pub(crate) fn says(&self, words: &[&str]) -> Result<Vec<Value>> {
        let mut command = shell::command(built("tideline"), words);
        let told = shell::ask(command.args(self.operator()).args(["--output", "json"]))?;
        serde_json::from_str(&told).context("tideline did not answer with a list")
    }

    /// The file that holds the token that operators and thin clients show.
    pub(crate) fn operators_token_file(&self) -> PathBuf {
        self.state.join("admin.token")
    }

    /// The file that holds the token that agents show.
    fn agents_token_file(&self) -> PathBuf {
        self.state.join("fleet.token")
    }
}

/// What an agent is told.
#[derive(Debug)]
pub(crate) struct AgentSettings<'a> {
    /// Where its configuration, state and log go.
    pub folder: &'a Path,
    /// What it serves itself.
    pub models: &'a [Model<'a>],
    /// The policy; without one nothing leaves.
    pub policy: Option<&'a Path>,
    /// The gateway to attach to.
    pub gateway: Option<&'a Gateway>,
    /// The address by which it is reached, where that is not its own.
    pub by: Option<SocketAddr>,
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
        let models = settings.models.iter().map(|model| model_yaml(model, ""));
        let mut yaml = places(&state, grpc, http) + "models:\n" + &models.collect::<String>();
        // Whoever runs this may have models of their own.
        yaml += "modelStore: none\n";
        if let Some(policy) = settings.policy {
            yaml += &format!("policy: {policy:?}\n");
        }
        if let Some(gateway) = settings.gateway {
            let address = settings.by.unwrap_or(gateway.grpc);
            let token = gateway.agents_token_file();
            yaml += &format!("gateway:\n  url: http://{address}\n  tokenFile: {token:?}\n");
        }
        let program = start("tideline-agent", settings.folder, &yaml, events)?;
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

    /// The token of its local API.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(crate) fn token(&self) -> Result<String> {
        let file = self.token_file();
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| format!("could not read {}", file.display()))?;
        Ok(text.trim().to_owned())
    }

    /// Waits until it says that its gateway is attached.
    ///
    /// # Errors
    ///
    /// When that does not happen in time; its last words are in the message.
    pub(crate) fn attached(&self, events: &Events) -> Result<()> {
        let client = http::client();
        let url = format!("http://{}/metrics", self.http);
        let bearer = format!("Bearer {}", self.token()?);
        let attached = || {
            let answer = client.get(&url).header("authorization", &bearer).call();
            let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
            let mut lines = text.as_deref().unwrap_or_default().lines();
            lines.any(|line| line == "tideline_agent_gateway_attached 1")
        };
        let what = "the agent's way to its gateway";
        events
            .until(what, ATTACH, attached)
            .with_context(|| self.program.last_words())
    }
}

/// What both are told in the same words.
fn places(state: &Path, grpc: SocketAddr, http: SocketAddr) -> String {
    let library = repository::setup().join("onnxruntime");
    format!(
        "stateDir: {state:?}\nlisten:\n  grpc: {grpc}\n  http: {http}\n\
         runtime:\n  library: {library:?}\n"
    )
}

/// One model of a list, with what else is said of it.
fn model_yaml((package, variants): &Model<'_>, more: &str) -> String {
    let mut yaml = format!("  - path: {package:?}\n{more}");
    if !variants.is_empty() {
        yaml += &format!("    variants: {variants:?}\n");
    }
    yaml
}

/// Starts `NAME run --config NAME.yaml` with its log beside.
fn start(name: &'static str, folder: &Path, yaml: &str, events: &Events) -> Result<Program> {
    let config = folder.join(name).with_extension("yaml");
    fs::write(&config, yaml).with_context(|| format!("could not write {}", config.display()))?;
    let run = [Path::new("run"), Path::new("--config"), &config];
    let command = shell::command(built(name), run);
    Program::start(name, command, &config.with_extension("log"), events)
}

/// Waits until a program says that it is ready.
///
/// # Errors
///
/// When it does not in time, or ends first; with its last words.
fn ready(program: &Program, http: SocketAddr, events: &Events) -> Result<()> {
    let client = http::client();
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
