//! A service that any proxy is slower than: it reads as much of a request as it must, and answers from
//! memory. Asked for the model `held`, it tells the first piece and says no more.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::answers;

/// Largest request, in bytes; who sends more is cut off.
const MAX_REQUEST: usize = 1 << 20;

/// What is answered, made once.
#[derive(Debug)]
struct Answers {
    whole: Vec<u8>,
    first: Vec<u8>,
    streamed: Vec<u8>,
    models: Vec<u8>,
    missing: Vec<u8>,
}

/// Serves until it is ended from outside.
///
/// # Errors
///
/// When it cannot listen.
pub(crate) async fn serve(listen: SocketAddr) -> Result<()> {
    let first = answers::first();
    let answers = Arc::new(Answers {
        whole: answers::whole(),
        streamed: [first.clone(), answers::rest()].concat(),
        first,
        models: answers::plain("200 OK", r#"{"object":"list","data":[]}"#),
        missing: answers::plain("404 Not Found", "{}"),
    });
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("could not listen on {listen}"))?;
    loop {
        let (socket, _) = listener.accept().await.context("could not accept")?;
        socket.set_nodelay(true)?;
        let answers = answers.clone();
        tokio::spawn(async move {
            // Who goes away is gone.
            drop(connection(socket, &answers).await);
        });
    }
}

async fn connection(mut socket: TcpStream, answers: &Answers) -> std::io::Result<()> {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        let Some((head, total)) = request(&buffer) else {
            if buffer.len() > MAX_REQUEST || socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let answer = if buffer.starts_with(b"POST /v1/chat/completions") {
            let body = std::str::from_utf8(&buffer[head..total]).unwrap_or_default();
            match (has(body, "stream", "true"), has(body, "model", "\"held\"")) {
                (true, true) => &answers.first,
                (true, false) => &answers.streamed,
                (false, _) => &answers.whole,
            }
        } else if buffer.starts_with(b"GET /v1/models") {
            &answers.models
        } else {
            &answers.missing
        };
        buffer.advance(total);
        socket.write_all(answer).await?;
    }
}

/// How long a request's head is, and head and body together; `None` until all of it is there.
fn request(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let lines = std::str::from_utf8(&buffer[..head]).ok()?.lines();
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let body: usize = length.map_or(Some(0), |(_, value)| value.trim().parse().ok())?;
    let total = head.checked_add(body)?;
    (buffer.len() >= total).then_some((head, total))
}

/// Whether a body of JSON says that a field has this value; however it is written.
fn has(body: &str, field: &str, value: &str) -> bool {
    let named = body.split_once(&format!("\"{field}\""));
    let told = named.and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
    told.is_some_and(|told| told.trim_start().starts_with(value))
}
