//! A caller of an OpenAI embeddings API: one connection kept alive, bodies made beforehand.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use crate::load::Call;

/// One connection, and the requests that it makes in turn.
#[derive(Debug)]
pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    requests: Arc<[Request<Full<Bytes>>]>,
    next: usize,
}

impl Caller {
    /// Connects; callers begin at different texts.
    pub(crate) async fn connect(
        server: SocketAddr,
        requests: Arc<[Request<Full<Bytes>>]>,
        next: usize,
    ) -> Result<Self> {
        let socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            requests,
            next,
        })
    }
}

impl Call for Caller {
    async fn call(&mut self) -> Result<()> {
        let request = self.requests[self.next % self.requests.len()].clone();
        self.next += 1;
        self.sender.ready().await?;
        let answer = self
            .sender
            .send_request(request)
            .await
            .context("no answer")?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .context("the answer broke off")?
            .to_bytes();
        if !status.is_success() {
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }
}

/// A request for each text; vectors come back in base64, as OpenAI's own client asks for them.
///
/// # Errors
///
/// When a file cannot be read, or is no list of texts.
pub(crate) fn requests(
    server: SocketAddr,
    token_file: &Path,
    model: &str,
    texts: &Path,
) -> Result<Arc<[Request<Full<Bytes>>]>> {
    let token = bearer(token_file)?;
    let listed = fs::read(texts).with_context(|| format!("could not read {}", texts.display()))?;
    let texts: Vec<String> = serde_json::from_slice(&listed).context("expected a list of texts")?;
    let request = |text: &String| {
        let body = json!({ "model": model, "input": text, "encoding_format": "base64" });
        Request::post("/v1/embeddings")
            .header("host", server.to_string())
            .header("authorization", &token)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .context("could not make a request")
    };
    texts.iter().map(request).collect()
}

/// The value of `authorization` for the token in a file.
///
/// # Errors
///
/// When the file cannot be read.
pub(crate) fn bearer(token_file: &Path) -> Result<String> {
    let token = fs::read_to_string(token_file);
    let token = token.with_context(|| format!("could not read {}", token_file.display()))?;
    Ok(format!("Bearer {}", token.trim()))
}
