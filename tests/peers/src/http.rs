//! A caller over HTTP/1.1: one connection kept alive, requests made beforehand.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::load::Call;

/// A request that can be made again and again.
pub(crate) type Asked = Request<Full<Bytes>>;

/// One connection, and the requests that it makes in turn.
#[derive(Debug)]
pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    requests: Arc<[Asked]>,
    next: usize,
    /// Whether a body is what it should be.
    is_right: fn(&[u8]) -> bool,
}

impl Caller {
    /// Connects; callers begin at different requests.
    pub(crate) async fn connect(
        server: SocketAddr,
        requests: Arc<[Asked]>,
        next: usize,
        is_right: fn(&[u8]) -> bool,
    ) -> Result<Self> {
        let socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            requests,
            next,
            is_right,
        })
    }

    /// Makes the next request; gives the answer once it begins.
    pub(crate) async fn ask(&mut self) -> Result<Response<Incoming>> {
        let request = self.requests[self.next % self.requests.len()].clone();
        self.next += 1;
        self.sender.ready().await?;
        self.sender.send_request(request).await.context("no answer")
    }
}

impl Call for Caller {
    async fn call(&mut self) -> Result<()> {
        let answer = self.ask().await?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .context("the answer broke off")?
            .to_bytes();
        if !status.is_success() || !(self.is_right)(&body) {
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }
}

/// A request with a body of JSON.
///
/// # Errors
///
/// When the token cannot be sent.
pub(crate) fn post(
    server: SocketAddr,
    path: &str,
    bearer: Option<&str>,
    body: &serde_json::Value,
) -> Result<Asked> {
    let mut request = Request::post(path)
        .header("host", server.to_string())
        .header("content-type", "application/json");
    if let Some(bearer) = bearer {
        request = request.header("authorization", bearer);
    }
    let body = Full::new(Bytes::from(body.to_string()));
    request.body(body).context("could not make a request")
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
