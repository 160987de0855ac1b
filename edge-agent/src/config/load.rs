//! From a file, the environment and flags to one checked configuration.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tracing_subscriber::EnvFilter;

use super::{Config, GatewayConfig, ModelConfig, ModelStore, Settings};

/// Why an agent cannot be configured so.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not there, or not for us.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file says something that is not a setting.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// The settings do not go together.
    #[error("{0}")]
    Unfit(String),
}

impl Config {
    /// Reads the file that `settings` name, or the user's own, and puts `settings` over it.
    ///
    /// # Errors
    /// When anything is not as it must be. Nothing is guessed.
    pub fn load(settings: Settings) -> Result<Self, ConfigError> {
        let mut config = match settings.config.clone().or_else(users_file) {
            Some(path) => Self::read(&path)?,
            None => Self::default(),
        };
        config.overlay(settings)?;
        if config.state_dir.as_os_str().is_empty() {
            config.state_dir = default_state_dir().ok_or_else(no_state_dir)?;
        }
        let usual = default_model_store();
        config.model_store = config.model_store.or(usual);
        config.check()?;
        Ok(config)
    }

    /// Reads a YAML file. Paths in it are relative to its folder.
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config = Self::parse(&text, path)?;
        config.resolve_paths(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        {
            return Ok(Self::default());
        }
        serde_yaml::from_str(text).map_err(|error| {
            let (line, column) = error
                .location()
                .map_or((1, 1), |at| (at.line(), at.column()));
            let message = without_place(&error.to_string());
            ConfigError::Parse {
                path: path.to_owned(),
                line,
                column,
                message,
            }
        })
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let listen = self.listen.socket.iter_mut();
        let models = self.models.iter_mut().map(|model| &mut model.path);
        let gateway = self
            .gateway
            .iter_mut()
            .flat_map(|gateway| &mut gateway.token_file);
        let rest = self.runtime.library.iter_mut().chain(&mut self.policy);
        if let Some(ModelStore::At(path)) = &mut self.model_store {
            *path = folder.join(&*path);
        }
        for path in listen.chain(models).chain(gateway).chain(rest) {
            *path = folder.join(&*path);
        }
        if !self.state_dir.as_os_str().is_empty() {
            self.state_dir = folder.join(&self.state_dir);
        }
    }

    fn overlay(&mut self, settings: Settings) -> Result<(), ConfigError> {
        let Settings {
            config: _,
            state_dir,
            http,
            grpc,
            socket,
            models,
            model_store,
            policy,
            ..
        } = settings;
        replace(&mut self.state_dir, state_dir);
        replace(&mut self.listen.http, http);
        replace(&mut self.listen.grpc, grpc);
        self.listen.socket = socket.or(self.listen.socket.take());
        self.model_store = model_store.or(self.model_store.take());
        self.policy = policy.or(self.policy.take());
        if !models.is_empty() {
            let all = |path| ModelConfig {
                path,
                variants: Vec::new(),
            };
            self.models = models.into_iter().map(all).collect();
        }

        let Settings {
            onnxruntime,
            threads,
            providers,
            log,
            log_format,
            ..
        } = settings;
        self.runtime.library = onnxruntime.or(self.runtime.library.take());
        self.runtime.threads = threads.or(self.runtime.threads);
        if !providers.is_empty() {
            self.runtime.providers = providers;
        }
        replace(&mut self.log.filter, log);
        replace(&mut self.log.format, log_format);

        let Settings {
            gateway,
            gateway_token_file,
            insecure_dev,
            ..
        } = settings;
        if let Some(url) = gateway {
            self.gateway = Some(GatewayConfig {
                url,
                token_file: None,
                insecure_dev: false,
            });
        }
        match &mut self.gateway {
            Some(gateway) => {
                gateway.token_file = gateway_token_file.or(gateway.token_file.take());
                gateway.insecure_dev |= insecure_dev;
            }
            None if gateway_token_file.is_some() => {
                return Err(unfit(
                    "a gateway's token without a gateway; add --gateway URL",
                ));
            }
            None => {}
        }
        Ok(())
    }

    /// What no value can say alone.
    fn check(&self) -> Result<(), ConfigError> {
        EnvFilter::try_new(&self.log.filter)
            .map_err(|error| unfit(format!("log.filter `{}`: {error}", self.log.filter)))?;
        for origin in &self.allowed_origins {
            check_origin(origin)?;
        }
        if let Some(plug_in) = &self.plug_in
            && !plug_in.url.is_this_machine()
        {
            return Err(unfit(format!(
                "plugIn.url {}: who asks and what about would travel in clear text; run the plug-in, or a TLS \
                 tunnel to it, on 127.0.0.1",
                plug_in.url
            )));
        }
        let Some(gateway) = &self.gateway else {
            return Ok(());
        };
        if !gateway.url.is_this_machine() && !gateway.insecure_dev {
            return Err(unfit(format!(
                "gateway.url {}: content and the token would travel in clear text; name a TLS tunnel on \
                 127.0.0.1, or set gateway.insecureDev: true for an experiment",
                gateway.url
            )));
        }
        Ok(())
    }
}

fn check_origin(origin: &str) -> Result<(), ConfigError> {
    let uri: Option<http::Uri> = origin.parse().ok();
    let whole = uri.is_some_and(|uri| {
        uri.host().is_some() && uri.scheme().is_some() && uri.path() == "/" && uri.query().is_none()
    });
    if whole && !origin.ends_with('/') {
        return Ok(());
    }
    Err(unfit(format!(
        "allowedOrigins `{origin}` is not an origin; expected one such as http://localhost:3000"
    )))
}

fn replace<T>(setting: &mut T, with: Option<T>) {
    if let Some(value) = with {
        *setting = value;
    }
}

fn unfit(message: impl Into<String>) -> ConfigError {
    ConfigError::Unfit(message.into())
}

fn no_state_dir() -> ConfigError {
    unfit(
        "no place for the agent's state: neither XDG_STATE_HOME nor HOME is set; give --state-dir DIR",
    )
}

/// The message of a YAML error; its place stands before it already.
fn without_place(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

fn users_file() -> Option<PathBuf> {
    let home = dir("XDG_CONFIG_HOME").or_else(|| Some(dir("HOME")?.join(".config")))?;
    Some(home.join("tideline/agent.yaml")).filter(|path| path.exists())
}

fn default_state_dir() -> Option<PathBuf> {
    let home = dir("XDG_STATE_HOME").or_else(|| Some(dir("HOME")?.join(".local/state")))?;
    Some(home.join("tideline"))
}

fn default_model_store() -> Option<ModelStore> {
    let home = dir("XDG_DATA_HOME").or_else(|| Some(dir("HOME")?.join(".local/share")))?;
    Some(ModelStore::At(home.join("tideline/models")))
}

/// A folder that the environment names; as XDG has it, only an absolute one counts.
fn dir(variable: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where the environment is read"
    )]
    let value = env::var_os(variable)?;
    Some(PathBuf::from(value)).filter(|path| path.is_absolute())
}
