//! The parts of an agent that can be missing or wrong on a laptop: each is had, or the message says
//! what is the matter and where.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use inference_api::Token;
use model_runtime::{Library, Runtime, RuntimeConfig};
use placement::{Decider, PlugInConfig};
use router_policy::Policy;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::models;
use crate::config::Config;
use crate::fleet::GatewayEndpoint;
use crate::identity::{Identity, TOKEN_FILE};
use crate::plug_in::RemotePlugIn;
use crate::policy;
use crate::store::{StateDir, private};
use crate::telemetry;

/// The secret as the door asks for it. A file that was emptied by hand must not open the door.
pub(super) fn token(identity: &Identity, state: &StateDir) -> anyhow::Result<Token> {
    let token = Token::new(identity.token.expose());
    token.with_context(|| {
        let path = state.path(TOKEN_FILE);
        format!(
            "{} holds no token of at least {} visible characters; remove it to get a new one",
            path.display(),
            Token::MIN_BYTES
        )
    })
}

pub(super) fn runtime(library: Library, config: &Config, state: &StateDir) -> Runtime {
    let figures = Some(state.path(models::FIGURES_FILE));
    Runtime::new(
        library,
        RuntimeConfig {
            threads: config.runtime.threads,
            figures,
        },
    )
}

pub(super) fn lock(state: &StateDir) -> anyhow::Result<File> {
    let path = state.path("lock");
    let file = private(OpenOptions::new().write(true).create(true).truncate(false)).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another agent uses {}", state.root().display()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

pub(super) fn endpoint(config: &Config) -> anyhow::Result<Option<GatewayEndpoint>> {
    let Some(gateway) = &config.gateway else {
        return Ok(None);
    };
    let token = gateway.token_file.as_deref().map(|path| {
        std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the gateway's token {}", path.display()))
    });
    Ok(Some(GatewayEndpoint::new(
        &gateway.url,
        token.transpose()?.as_deref(),
    )?))
}

/// Who decides: the policy that is configured, and a plug-in beside it. Without a policy nothing
/// leaves the laptop, and that is said loudly, unless a plug-in was told to decide alone.
pub(super) fn decider(config: &Config) -> anyhow::Result<Decider> {
    let alone = config.plug_in.as_ref().is_some_and(|plug_in| plug_in.alone);
    let policy = match config.policy.as_deref() {
        Some(path) => policy::load(path)?,
        None if alone => Policy::open(),
        None => {
            telemetry::no_policy();
            Policy::closed()
        }
    };
    let decider = Decider::new(policy);
    let Some(plug_in) = &config.plug_in else {
        return Ok(decider);
    };
    Ok(decider.with_plug_in(PlugInConfig {
        plug_in: Arc::new(RemotePlugIn::new(plug_in)?),
        deadline: plug_in.deadline(),
    }))
}

pub(super) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| {
        format!("cannot listen on {address} ({setting}); is another agent running")
    })
}

/// A socket file that this user alone can open, from the moment it is there.
#[cfg(unix)]
pub(super) fn bind_socket(path: &Path) -> anyhow::Result<UnixListener> {
    use rustix::fs::Mode;
    let about = || format!("cannot listen on {} (listen.socket)", path.display());
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("{}: another program listens there", about());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(about);
        }
        Ok(()) | Err(_) => {}
    }
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound.with_context(about)
}
