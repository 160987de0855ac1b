//! What a gateway is told to be: a YAML file, the environment over it, flags over both.
//!
//! The one place where configuration is read. A value that does not parse, or that would open more
//! than it should, stops the start: nothing here falls back to something wider.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use inference_api::Boundary;
use placement::UsdPerMillionTokens;
use serde::{Deserialize, Serialize};

mod upstream;

pub use self::upstream::{
    ChatContinuation, MaxTokensParameter, UpstreamConfig, UpstreamKind, UpstreamModel,
    UpstreamTask, UpstreamTimeouts,
};

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Where the gateway keeps what must outlive it. Unset in a file: the user's state directory.
    pub state_dir: PathBuf,
    /// Where agents, operators and thin clients reach it.
    pub listen: Listen,
    /// Speak clear text, on loopback alone. There is no other way yet.
    pub insecure_dev: bool,
    /// What this site is.
    pub site: SiteConfig,
    /// The SQLite database. Unset: `gateway.db` in the state directory.
    pub database: Option<PathBuf>,
    /// The ONNX Runtime library.
    pub runtime: RuntimeConfig,
    /// Models that this site serves.
    pub models: Vec<ModelConfig>,
    /// Services of others that requests are handed on to.
    pub upstreams: Vec<UpstreamConfig>,
    /// The policy for thin clients, which come without an agent. Without one nothing is served to
    /// them; agents bring their own decision.
    pub policy: Option<PathBuf>,
    /// What is logged.
    pub log: LogConfig,
}

/// Addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Listen {
    /// Agents, operators and the Open Inference Protocol, over gRPC.
    pub grpc: SocketAddr,
    /// OpenAI's API, the Open Inference Protocol's REST form, health and metrics.
    pub http: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            grpc: local(7080),
            http: local(7081),
        }
    }
}

/// What a site is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SiteConfig {
    /// Its name, in decisions and outcomes.
    pub name: String,
    /// Whose it is.
    pub boundary: SiteBoundary,
}

impl Default for SiteConfig {
    fn default() -> Self {
        Self {
            name: "cloud".into(),
            boundary: SiteBoundary::Cloud,
        }
    }
}

/// Whose a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SiteBoundary {
    /// The laptops' owner runs it.
    Private,
    /// Anybody.
    Cloud,
}

impl From<SiteBoundary> for Boundary {
    fn from(boundary: SiteBoundary) -> Self {
        match boundary {
            SiteBoundary::Private => Self::Private,
            SiteBoundary::Cloud => Self::Cloud,
        }
    }
}

/// How ONNX Runtime is found and used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// The library's file, or a folder that holds it. Unset: the usual places are searched.
    pub library: Option<PathBuf>,
    /// The oldest version that is accepted. Unset: the one below which malformed graphs are known
    /// to be dangerous.
    pub minimum_version: Option<String>,
    /// Threads for the runs of one model. Unset: one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Execution providers to measure; the fastest that is right serves. Empty: `cpu`.
    pub providers: Vec<String>,
}

/// One model package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelConfig {
    /// Its folder.
    pub path: PathBuf,
    /// The variants to load. Empty: all.
    #[serde(default)]
    pub variants: Vec<String>,
    /// What a million tokens cost here, in US dollars. Unset: unknown, which is never 0.
    #[serde(default)]
    pub usd_per_million_tokens: Option<f64>,
    /// What a million generated tokens cost here. Unset: the same.
    #[serde(default)]
    pub usd_per_million_answer_tokens: Option<f64>,
}

impl ModelConfig {
    /// What tokens cost; `None` when unknown.
    pub(crate) fn price(&self) -> Option<UsdPerMillionTokens> {
        UsdPerMillionTokens::told(
            self.usd_per_million_tokens,
            self.usd_per_million_answer_tokens,
        )
    }
}

/// What is logged, to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogConfig {
    /// Levels, as `tracing` filters are written: `info`, `warn,cloud_gateway=debug`.
    pub filter: String,
    /// How a line looks. Unset: text on a terminal, JSON elsewhere.
    pub format: Option<LogFormat>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            format: None,
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Tideline's gateway: what laptops connect to, and what serves what they should not.
#[derive(Debug, Parser)]
#[command(name = "tideline-gateway", version, about, arg_required_else_help = true, after_long_help = LESSON)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const LESSON: &str = "\
Try it:
  tideline-gateway run --insecure-dev --model ./models/minilm
  tideline devices list --token-file ~/.local/state/tideline-gateway/admin.token

Until laptops have certificates, a gateway speaks clear text, on loopback alone, and only when
told to with --insecure-dev.

Settings come from a YAML file (--config), then the environment (TIDELINE_GATEWAY_…), then flags;
the later wins. `tideline-gateway run --dump-config` prints what is in force.";

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve agents, operators and thin clients until stopped.
    Run(RunOptions),
}

/// `run`. What is left out comes from the file.
#[derive(Clone, Debug, Default, Args)]
pub struct RunOptions {
    /// Read settings from this YAML file.
    #[arg(long, value_name = "FILE", env = "TIDELINE_GATEWAY_CONFIG")]
    pub config: Option<PathBuf>,
    /// Keep tokens, measurements and the database here.
    #[arg(long, value_name = "DIR", env = "TIDELINE_GATEWAY_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Serve agents and operators here; port 0 is any free one.
    #[arg(long, value_name = "ADDR", env = "TIDELINE_GATEWAY_GRPC")]
    pub grpc: Option<SocketAddr>,
    /// Serve thin clients, health and metrics here; port 0 is any free one.
    #[arg(long, value_name = "ADDR", env = "TIDELINE_GATEWAY_HTTP")]
    pub http: Option<SocketAddr>,
    /// Speak clear text, on loopback alone.
    #[arg(long, env = "TIDELINE_GATEWAY_INSECURE_DEV")]
    pub insecure_dev: bool,
    /// Serve this model package; can be given more than once. Replaces the file's list.
    #[arg(
        long = "model",
        value_name = "DIR",
        env = "TIDELINE_GATEWAY_MODELS",
        value_delimiter = ','
    )]
    pub models: Vec<PathBuf>,
    /// Decide for thin clients by this policy.
    #[arg(long, value_name = "FILE", env = "TIDELINE_GATEWAY_POLICY")]
    pub policy: Option<PathBuf>,
    /// Use this ONNX Runtime library: its file, or a folder that holds it.
    #[arg(long, value_name = "PATH", env = "TIDELINE_GATEWAY_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
    /// Log at these levels, such as `info` or `warn,cloud_gateway=debug`.
    #[arg(long, value_name = "FILTER", env = "TIDELINE_GATEWAY_LOG")]
    pub log: Option<String>,
    /// Log in this form. Unset: text on a terminal, JSON elsewhere.
    #[arg(long, value_enum, env = "TIDELINE_GATEWAY_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Print the configuration in force as YAML, and stop.
    #[arg(long)]
    pub dump_config: bool,
}

/// Why a gateway cannot be configured so.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, or not for us.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file says something that is not a setting.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_yaml::Error,
    },
    /// The settings do not go together.
    #[error("{0}")]
    Unfit(String),
}

impl Config {
    /// Reads the file that `options` name, and puts `options` over it.
    ///
    /// # Errors
    /// When anything is not as it must be. Nothing is guessed.
    pub fn load(options: RunOptions) -> Result<Self, ConfigError> {
        let mut config = match &options.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        config.overlay(options);
        if config.state_dir.as_os_str().is_empty() {
            config.state_dir = default_state_dir().ok_or_else(|| {
                ConfigError::Unfit("neither XDG_STATE_HOME nor HOME is set: say where to keep things with --state-dir".into())
            })?;
        }
        config.check()?;
        Ok(config)
    }

    /// Reads a YAML file. Paths in it are relative to its folder.
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self =
            serde_yaml::from_str(&text).map_err(|source| ConfigError::Parse {
                path: path.to_owned(),
                source,
            })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let models = config.models.iter_mut().map(|model| &mut model.path);
        let rest = config
            .database
            .iter_mut()
            .chain(&mut config.runtime.library)
            .chain(&mut config.policy)
            .chain(config.upstreams.iter_mut().flat_map(UpstreamConfig::paths));
        for path in models.chain(rest) {
            *path = folder.join(&*path);
        }
        if !config.state_dir.as_os_str().is_empty() {
            config.state_dir = folder.join(&config.state_dir);
        }
        Ok(config)
    }

    fn overlay(&mut self, options: RunOptions) {
        let RunOptions {
            state_dir,
            grpc,
            http,
            insecure_dev,
            models,
            policy,
            onnxruntime,
            log,
            log_format,
            ..
        } = options;
        replace(&mut self.state_dir, state_dir);
        replace(&mut self.listen.grpc, grpc);
        replace(&mut self.listen.http, http);
        self.insecure_dev |= insecure_dev;
        if !models.is_empty() {
            let all = |path| ModelConfig {
                path,
                variants: Vec::new(),
                usd_per_million_tokens: None,
                usd_per_million_answer_tokens: None,
            };
            self.models = models.into_iter().map(all).collect();
        }
        self.policy = policy.or(self.policy.take());
        self.runtime.library = onnxruntime.or(self.runtime.library.take());
        replace(&mut self.log.filter, log);
        self.log.format = log_format.or(self.log.format);
    }

    fn check(&self) -> Result<(), ConfigError> {
        let unfit = |message: String| Err(ConfigError::Unfit(message));
        if !self.insecure_dev {
            return unfit("laptops have no certificates yet, so a gateway can only speak clear text: allow it on loopback with --insecure-dev".into());
        }
        for (setting, address) in [
            ("listen.grpc", self.listen.grpc),
            ("listen.http", self.listen.http),
        ] {
            if !address.ip().is_loopback() {
                return unfit(format!(
                    "{setting} is {address}, but clear text stays on loopback: expected 127.0.0.1 or [::1]"
                ));
            }
        }
        let name = &self.site.name;
        if let Err(expected) = check_site_name(name) {
            return unfit(format!("site.name {expected}"));
        }
        for model in &self.models {
            let prices = [
                model.usd_per_million_tokens,
                model.usd_per_million_answer_tokens,
            ];
            let is_odd = |price: f64| !price.is_finite() || price < 0.0;
            if prices.into_iter().flatten().any(is_odd) {
                return unfit(format!(
                    "{}: a price is finite and not negative",
                    model.path.display()
                ));
            }
        }
        for (index, upstream) in self.upstreams.iter().enumerate() {
            upstream.check(self.site.boundary)?;
            let mut before = self.upstreams.iter().take(index);
            if *name == upstream.name || before.any(|other| other.name == upstream.name) {
                return unfit(format!("two sites are named `{}`", upstream.name));
            }
        }
        Ok(())
    }
}

/// Names of sites stand in decisions, headers and metrics.
fn check_site_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=63).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(format!(
        "is {name:?}, expected 1 to 63 letters, digits, `-`, `_` or `.`"
    ))
}

fn replace<T>(place: &mut T, with: Option<T>) {
    if let Some(value) = with {
        *place = value;
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
fn default_state_dir() -> Option<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    Some(base?.join("tideline-gateway"))
}

#[cfg(test)]
mod tests {
    //! What stops a start.

    use super::*;

    fn check(yaml: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.yaml");
        std::fs::write(&path, yaml).unwrap();
        let options = RunOptions {
            config: Some(path),
            ..RunOptions::default()
        };
        let error = Config::load(options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_setting_that_is_not_one_is_named_with_its_place() {
        check(
            "insecureDev: true\nlisten: {grcp: 1}",
            "unknown field `grcp`, expected `grpc` or `http` at line 2 column",
        );
        check("insecureDev: maybe", "line 1");
    }

    #[test]
    fn clear_text_is_refused_unless_asked_for_and_on_loopback() {
        check("{}", "--insecure-dev");
        check(
            "insecureDev: true\nlisten: {grpc: '0.0.0.0:7080'}",
            "listen.grpc is 0.0.0.0:7080, but clear text stays on loopback",
        );
    }
}
