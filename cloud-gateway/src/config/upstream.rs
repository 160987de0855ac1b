//! Services of others that a gateway hands requests on to, as they are configured.
//!
//! A key is named by its file or its variable and never stands in the configuration itself, so that
//! `--dump-config` can be shown to anybody.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use placement::UsdPerMillionTokens;
use serde::{Deserialize, Serialize};

use super::{ConfigError, SiteBoundary};

/// Most addresses of one service.
const MAX_URLS: usize = 16;
/// Largest key, in bytes.
const MAX_KEY: usize = 8 << 10;

/// One service, at one or more addresses that are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its name, as the site in decisions.
    pub name: String,
    /// What it speaks.
    pub kind: UpstreamKind,
    /// Where it is: up to `/v1` for OpenAI's API, host and port for the Open Inference Protocol.
    /// Requests go to the address that is expected to answer first.
    pub urls: Vec<String>,
    /// Whose it is.
    pub boundary: SiteBoundary,
    /// A file that holds its key alone. Neither is set for a service that asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// An environment variable that holds its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// The authorities that its certificate may be signed by, as PEM. Unset: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What it serves.
    pub models: Vec<UpstreamModel>,
    /// Requests under way at a time, all addresses together; four times as many may wait.
    #[serde(default = "UpstreamConfig::usual_concurrency")]
    pub concurrency: u16,
    /// How long each step may take.
    #[serde(default)]
    pub timeouts: UpstreamTimeouts,
    /// How it goes on with an answer that another place began. Completions can always go on.
    #[serde(default)]
    pub continuation: ChatContinuation,
    /// The name under which it takes the most tokens of an answer: `max_tokens`, or
    /// `max_completion_tokens` where that is all it knows.
    #[serde(default)]
    pub max_tokens_parameter: MaxTokensParameter,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UpstreamKind {
    /// OpenAI's HTTP API.
    Openai,
    /// The Open Inference Protocol over gRPC.
    Oip,
}

/// One model that a service serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamModel {
    /// As callers name it.
    pub name: String,
    /// As the service names it. Unset: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_name: Option<String>,
    /// The build, as decisions name it. Unset: the name at the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What it does. Unset: `chat`, or `infer` over the Open Inference Protocol.
    #[serde(default)]
    pub tasks: Vec<UpstreamTask>,
    /// What a million tokens cost, in US dollars. Unset: unknown, which is never 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_per_million_tokens: Option<f64>,
    /// What a million generated tokens cost. Unset: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_per_million_answer_tokens: Option<f64>,
    /// How often its answer is wrong, from 0 to 1.
    #[serde(default)]
    pub error_probability: f64,
    /// What is expected until it was measured: milliseconds to the first token of an answer.
    #[serde(default = "UpstreamModel::usual_first_token_ms")]
    pub first_token_ms: f64,
    /// What is expected until it was measured.
    #[serde(default = "UpstreamModel::usual_tokens_per_second")]
    pub tokens_per_second: f64,
}

/// What a model at a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UpstreamTask {
    /// The next message of a conversation.
    Chat,
    /// What follows a text.
    Completion,
    /// Vectors for texts.
    Embedding,
    /// Tensors for tensors.
    Infer,
}

/// How long each step may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpstreamTimeouts {
    /// To be connected.
    pub connect_ms: u32,
    /// From the request to the first of its answer.
    pub first_event_ms: u32,
    /// Between two pieces of an answer.
    pub idle_ms: u32,
    /// Between two looks at whether it is there.
    pub health_ms: u32,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect_ms: 5_000,
            first_event_ms: 60_000,
            idle_ms: 30_000,
            health_ms: 10_000,
        }
    }
}

/// How a service is asked to go on with the assistant's last message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChatContinuation {
    /// It cannot be.
    #[default]
    None,
    /// With `continue_final_message`, as vLLM and SGLang take it.
    ContinueFinalMessage,
    /// With `prefix` in the message, as Mistral and DeepSeek take it.
    Prefix,
}

/// What OpenAI's API calls the most tokens of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensParameter {
    /// As nearly all services know it.
    #[default]
    MaxTokens,
    /// As OpenAI's own reasoning models want it.
    MaxCompletionTokens,
}

/// A service's key.
#[derive(Clone)]
pub(crate) struct Key(Arc<str>);

impl Key {
    /// To be sent to its service, and nowhere else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key that a text from `place` is.
    fn new(text: &str, place: &str) -> Result<Self, ConfigError> {
        let key = text.trim();
        let is_plain = |byte: u8| byte.is_ascii_graphic();
        if (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(is_plain) {
            return Ok(Self(key.into()));
        }
        Err(ConfigError::Unfit(format!(
            "{place} holds no key, expected one line of visible ASCII characters"
        )))
    }
}

impl UpstreamTimeouts {
    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms.into())
    }

    pub(crate) fn first_event(&self) -> Duration {
        Duration::from_millis(self.first_event_ms.into())
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms.into())
    }

    pub(crate) fn health(&self) -> Duration {
        Duration::from_millis(self.health_ms.into())
    }
}

impl UpstreamModel {
    fn usual_first_token_ms() -> f64 {
        500.0
    }

    fn usual_tokens_per_second() -> f64 {
        50.0
    }

    /// As the service names it.
    pub(crate) fn upstream_name(&self) -> &str {
        self.upstream_name.as_deref().unwrap_or(&self.name)
    }

    /// The build.
    pub(crate) fn variant(&self) -> &str {
        self.variant.as_deref().unwrap_or(self.upstream_name())
    }

    /// What tokens cost; `None` when unknown.
    pub(crate) fn price(&self) -> Option<UsdPerMillionTokens> {
        UsdPerMillionTokens::told(
            self.usd_per_million_tokens,
            self.usd_per_million_answer_tokens,
        )
    }

    fn check(&self) -> Result<(), String> {
        for (setting, name) in [
            ("name", self.name.as_str()),
            ("upstreamName", self.upstream_name()),
            ("variant", self.variant()),
        ] {
            if !(1..=256).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(format!(
                    "{setting} is not 1 to 256 visible ASCII characters"
                ));
            }
        }
        let amounts = [
            (
                "usdPerMillionTokens",
                self.usd_per_million_tokens.unwrap_or(0.0),
            ),
            (
                "usdPerMillionAnswerTokens",
                self.usd_per_million_answer_tokens.unwrap_or(0.0),
            ),
            ("firstTokenMs", self.first_token_ms),
            ("errorProbability", self.error_probability),
        ];
        for (setting, amount) in amounts {
            if !amount.is_finite() || amount < 0.0 {
                return Err(format!("{setting} is finite and not negative"));
            }
        }
        if self.error_probability > 1.0 {
            return Err("errorProbability is at most 1".into());
        }
        if !self.tokens_per_second.is_finite() || self.tokens_per_second <= 0.0 {
            return Err("tokensPerSecond is finite and above 0".into());
        }
        if self.usd_per_million_answer_tokens.is_some() && self.usd_per_million_tokens.is_none() {
            return Err("usdPerMillionAnswerTokens needs usdPerMillionTokens beside it".into());
        }
        Ok(())
    }
}

impl UpstreamConfig {
    fn usual_concurrency() -> u16 {
        64
    }

    /// The files that it names.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.ca_file.iter_mut().chain(&mut self.key_file)
    }

    /// Reads the key, if there is to be one.
    pub(crate) fn read_key(&self) -> Result<Option<Key>, ConfigError> {
        if let Some(path) = &self.key_file {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.clone(),
                source,
            })?;
            return Key::new(&text, &path.display().to_string()).map(Some);
        }
        let Some(name) = &self.key_env else {
            return Ok(None);
        };
        #[expect(clippy::disallowed_methods, reason = "the environment is read here")]
        let text = std::env::var(name).unwrap_or_default();
        Key::new(&text, &format!("the environment variable {name}")).map(Some)
    }

    /// Reads the authorities that its certificate may be signed by, where they are named.
    pub(crate) fn read_authorities(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| ConfigError::Read {
                path: path.clone(),
                source,
            })
        };
        self.ca_file.as_ref().map(read).transpose()
    }

    /// Content passes through this gateway on its way, so no service behind it is nearer.
    pub(super) fn check(&self, here: SiteBoundary) -> Result<(), ConfigError> {
        let unfit = |what: String| {
            Err(ConfigError::Unfit(format!(
                "the upstream `{}`: {what}",
                self.name
            )))
        };
        if let Err(expected) = super::check_site_name(&self.name) {
            return unfit(format!("its name {expected}"));
        }
        if here == SiteBoundary::Cloud && self.boundary == SiteBoundary::Private {
            return unfit(
                "it is private, but what it gets comes through this gateway, whose site is cloud"
                    .into(),
            );
        }
        if self.urls.is_empty() || self.urls.len() > MAX_URLS {
            return unfit(format!(
                "expected 1 to {MAX_URLS} urls, got {}",
                self.urls.len()
            ));
        }
        if self.key_file.is_some() && self.key_env.is_some() {
            return unfit("it has both a keyFile and a keyEnv: expected one of them".into());
        }
        if self.models.is_empty() || self.concurrency == 0 {
            return unfit("expected at least one model, and a concurrency above 0".into());
        }
        for url in &self.urls {
            if let Err(why) = self.check_url(url) {
                return unfit(format!("the url `{url}` {why}"));
            }
        }
        for model in &self.models {
            if let Err(why) = model.check() {
                return unfit(format!("the model `{}`: {why}", model.name));
            }
        }
        Ok(())
    }

    fn check_url(&self, url: &str) -> Result<(), &'static str> {
        let uri: Uri = url.parse().map_err(|_odd| "is none")?;
        let host = uri.host().ok_or("names no host")?;
        let is_loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match (uri.scheme_str(), self.boundary) {
            (Some("https"), _) | (Some("http"), SiteBoundary::Private) => {}
            (Some("http"), SiteBoundary::Cloud) if is_loopback => {}
            (Some("http"), SiteBoundary::Cloud) => {
                return Err("would send content to the cloud in clear text: expected https");
            }
            (Some(_) | None, _) => return Err("begins with neither https:// nor http://"),
        }
        if uri.query().is_some() || url.contains('@') {
            return Err("holds a query or a password: expected neither");
        }
        Ok(())
    }
}
