//! Who may call: two secrets, made at the first start, that callers show as bearer tokens.
//!
//! Its invariant: a secret never leaves its file but into a comparison that takes the same time
//! whatever it finds.

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use subtle::ConstantTimeEq as _;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Bytes of randomness in a secret.
const SECRET_BYTES: usize = 32;

/// A secret that callers show.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    /// Reads the secret in `folder`, or makes one that this user alone can read.
    pub(crate) fn load(folder: &Path, name: &str) -> anyhow::Result<(Self, PathBuf)> {
        let path = folder.join(name);
        let about = || format!("could not keep the token {}", path.display());
        if !path.exists() {
            let secret: String = rand::random::<[u8; SECRET_BYTES]>()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .with_context(about)?;
            writeln!(file, "{secret}").with_context(about)?;
            file.sync_all().with_context(about)?;
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("could not read the token {}", path.display()))?;
        let secret = text.trim();
        anyhow::ensure!(
            secret.len() >= 16,
            "{} holds no token; remove it to get a new one",
            path.display()
        );
        Ok((Self(secret.into()), path))
    }

    /// As the door of the HTTP side asks for it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Lets calls through that show the secret.
impl Interceptor for Secret {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let shown = request
            .metadata()
            .get("authorization")
            .map(|value| value.as_bytes());
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
        if shown.is_some_and(|shown| shown.ct_eq(self.0.as_bytes()).into()) {
            return Ok(request);
        }
        crate::telemetry::refused_caller();
        Err(Status::unauthenticated(
            "expected the header `authorization: Bearer TOKEN` with the token from the gateway's state directory",
        ))
    }
}
