//! Who hands requests on, and the service behind them all.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::MODEL;
use crate::bench::load::turn;
use crate::program::{Events, Program};
use crate::tideline::{self, Agent, AgentSettings, Gateway, GatewaySettings};
use crate::{repository, shell};

/// How long a peer may take until it answers: LiteLLM reads a great deal of Python.
const START: Duration = Duration::from_secs(180);
/// LiteLLM starts with nothing shorter.
const LITELLM_KEY: &str = "sk-shown-on-loopback-alone-while-a-benchmark-runs";

/// Whom a caller asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The service itself.
    Direct,
    Nginx,
    /// The gateway, as thin clients ask it.
    Gateway,
    /// An agent that has no model and asks the gateway.
    Agent,
    LiteLlm,
}

impl Side {
    pub(super) const ALL: [Self; 5] = [
        Self::Direct,
        Self::Nginx,
        Self::Gateway,
        Self::Agent,
        Self::LiteLlm,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "nothing between",
            Self::Nginx => "nginx",
            Self::Gateway => "tideline-gateway",
            Self::Agent => "agent and gateway",
            Self::LiteLlm => "LiteLLM",
        }
    }
}

/// All of them, running.
#[derive(Debug)]
pub(super) struct Sides {
    upstream: (Program, SocketAddr),
    nginx: (Program, SocketAddr),
    litellm: (Program, SocketAddr),
    litellm_key: PathBuf,
    gateway: Gateway,
    agent: Agent,
}

impl Sides {
    /// Starts them, and waits until each has answered.
    pub(super) fn start(folder: &Path, program: &Path, events: &Events) -> Result<Self> {
        let upstream = upstream(folder, events)?;
        let nginx = nginx(folder, program, upstream.1, events)?;
        let litellm = litellm(folder, upstream.1, events)?;
        let litellm_key = folder.join("litellm.key");
        fs::write(&litellm_key, LITELLM_KEY).context("could not write a key")?;
        let gateway = gateway(folder, upstream.1, events)?;
        let policy = repository::root().join("deploy/demo/policy.yaml");
        let settings = AgentSettings {
            folder,
            models: &[],
            policy: Some(&policy),
            gateway: Some(&gateway),
            by: None,
        };
        let agent = Agent::start(&settings, events)?;
        agent.attached(events)?;
        let sides = Self {
            upstream,
            nginx,
            litellm,
            litellm_key,
            gateway,
            agent,
        };
        for side in Side::ALL {
            let answers = || {
                let mut words = sides.target("chat", side, MODEL);
                words.extend(["--callers", "1", "--seconds", "0.1"].map(OsString::from));
                turn(words).is_ok()
            };
            let what = format!("the start of {}", side.name());
            events
                .until(&what, START, answers)
                .with_context(|| sides.program(side).last_words())?;
        }
        Ok(sides)
    }

    /// `peers VERB` with whom it asks, and for which model.
    pub(super) fn target(&self, verb: &str, side: Side, model: &str) -> Vec<OsString> {
        let (server, token) = match side {
            Side::Direct => (self.upstream.1, None),
            Side::Nginx => (self.nginx.1, None),
            Side::LiteLlm => (self.litellm.1, Some(self.litellm_key.clone())),
            Side::Gateway => (self.gateway.http, Some(self.gateway.operators_token_file())),
            Side::Agent => (self.agent.http, Some(self.agent.token_file())),
        };
        let server = server.to_string();
        let mut words: Vec<OsString> = [verb, "--server", &server, "--model", model]
            .map(Into::into)
            .into();
        if let Some(token) = token {
            words.extend(["--token-file".into(), token.into()]);
        }
        words
    }

    pub(super) fn program(&self, side: Side) -> &Program {
        match side {
            Side::Direct => &self.upstream.0,
            Side::Nginx => &self.nginx.0,
            Side::LiteLlm => &self.litellm.0,
            Side::Gateway => &self.gateway.program,
            Side::Agent => &self.agent.program,
        }
    }

    /// Ends all of them, whoever asks before whom it asks.
    pub(super) fn stop(self, events: &Events) -> Result<()> {
        self.agent.program.stop(events)?;
        self.gateway.program.stop(events)?;
        for (peer, _) in [self.nginx, self.litellm, self.upstream] {
            // Not every peer calls it a success to be told to end.
            let _ = peer.stop(events);
        }
        Ok(())
    }
}

fn upstream(folder: &Path, events: &Events) -> Result<(Program, SocketAddr)> {
    let address = tideline::address(0)?;
    let words = ["upstream".into(), "--listen".into(), address.to_string()];
    let command = shell::command(tideline::built("peers"), words);
    let program = Program::start("upstream", command, &folder.join("upstream.log"), events)?;
    Ok((program, address))
}

fn gateway(folder: &Path, upstream: SocketAddr, events: &Events) -> Result<Gateway> {
    let policy = repository::root().join("deploy/demo/policy.yaml");
    let upstreams = format!(
        "  - name: far\n    kind: openai\n    urls: ['http://{upstream}/v1']\n    boundary: cloud\n    \
         concurrency: 2048\n    models:\n      \
         - {{ name: {MODEL}, usdPerMillionTokens: 1, usdPerMillionAnswerTokens: 4 }}\n      \
         - {{ name: held }}\n"
    );
    let settings = GatewaySettings {
        folder,
        models: &[],
        policy: Some(&policy),
        upstreams: &upstreams,
    };
    Gateway::start(&settings, events)
}

/// One process: a worker alone, which nothing outlives when it is killed.
fn nginx(
    folder: &Path,
    program: &Path,
    upstream: SocketAddr,
    events: &Events,
) -> Result<(Program, SocketAddr)> {
    let address = tideline::address(0)?;
    let home = folder.join("nginx");
    fs::create_dir_all(&home).with_context(|| format!("could not create {}", home.display()))?;
    let config = home.join("nginx.conf");
    let text = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  tcp_nodelay on;\n  \
         client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  \
         uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  \
         upstream far {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n  \
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://far;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection '';\n      \
         proxy_buffering off;\n    }}\n  }}\n}}\n"
    );
    fs::write(&config, text).with_context(|| format!("could not write {}", config.display()))?;
    let words = [
        Path::new("-p"),
        &home,
        Path::new("-c"),
        &config,
        Path::new("-e"),
        Path::new("stderr"),
    ];
    let command = shell::command(program, words);
    let program = Program::start("nginx", command, &folder.join("nginx.log"), events)?;
    Ok((program, address))
}

fn litellm(folder: &Path, upstream: SocketAddr, events: &Events) -> Result<(Program, SocketAddr)> {
    let address = tideline::address(0)?;
    let config = folder.join("litellm.yaml");
    let text = format!(
        "model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: openai/{MODEL}\n      \
         api_base: http://{upstream}/v1\n      api_key: none\n\
         general_settings:\n  master_key: {LITELLM_KEY}\n\
         litellm_settings:\n  telemetry: false\n  set_verbose: false\n"
    );
    fs::write(&config, text).with_context(|| format!("could not write {}", config.display()))?;
    let mut command = shell::command(
        repository::setup().join("venv-litellm/bin/litellm"),
        ["--config".as_ref(), config.as_os_str()],
    );
    command
        .args(["--host", "127.0.0.1", "--num_workers", "1", "--port"])
        .arg(address.port().to_string())
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("LITELLM_TELEMETRY", "False")
        .env("LITELLM_LOG", "ERROR")
        .current_dir(folder);
    let program = Program::start("litellm", command, &folder.join("litellm.log"), events)?;
    Ok((program, address))
}
