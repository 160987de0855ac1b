//! Tests of serving: limits on what connections may do, and an end to all.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Drained, Listener, serve};
use crate::limits::Limits;
use crate::openai;
use crate::testing::front;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<Drained>,
}

fn app() -> Router {
    Router::new()
        .route("/fine", get(async || "fine"))
        .route("/never", get(std::future::pending::<()>))
        .route(
            "/panic",
            get(async || {
                if true {
                    panic!("as asked")
                }
            }),
        )
        .route(
            "/slow",
            post(async |body: String| {
                tokio::time::sleep(Duration::from_secs(3)).await;
                body
            }),
        )
        .merge(openai::router(front()))
}

async fn server_with(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let ended = tokio::spawn(serve(listener, app(), limits, stop.clone()));
    Server {
        address,
        stop,
        ended,
    }
}

async fn server() -> Server {
    server_with(Limits::default()).await
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What the server answers before it closes the connection.
    async fn tell(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        rest(stream).await
    }
}

/// Everything until the end; a reset is an end too.
async fn rest(mut stream: impl AsyncRead + Unpin) -> String {
    let mut all = Vec::new();
    let _ended_or_reset = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let server = server().await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        let answer = ask(&mut stream, "/fine").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_file_serves_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener: Listener = tokio::net::UnixListener::bind(&path).unwrap().into();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, app(), Limits::default(), stop));
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let answer = ask(&mut stream, "/fine").await;
    assert!(answer.ends_with("fine"), "{answer}");
}

#[tokio::test]
async fn a_panic_is_a_typed_error_and_harms_no_one() {
    let server = server().await;
    let mut other = server.connect().await;
    ask(&mut other, "/fine").await;
    let mut stream = server.connect().await;
    let answer = ask(&mut stream, "/panic").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("internal_error"), "{answer}");
    assert!(!answer.contains("as asked"), "{answer}");
    assert!(ask(&mut stream, "/fine").await.ends_with("fine"));
    assert!(ask(&mut other, "/fine").await.ends_with("fine"));
}

#[tokio::test]
async fn floods_of_headers_are_refused() {
    let server = server().await;
    let many = "a: b\r\n".repeat(101);
    let answer = server
        .tell(&format!("GET /fine HTTP/1.1\r\n{many}\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = "b".repeat(64 * 1024);
    let answer = server
        .tell(&format!("GET /fine HTTP/1.1\r\na: {long}\r\n\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = server.tell("\u{0}\u{1}garbage\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_while_they_are_still_being_sent() {
    let server = server().await;
    let mut stream = server.connect().await;
    let head = "POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 104857600\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 1024]).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("request_too_large"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn connections_that_say_nothing_or_too_little_are_closed() {
    for said in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET /fine HTTP/1.1\r\nhost: localhost\r\n",
    ] {
        let server = server().await;
        let start = Instant::now();
        let answer = server.tell(said).await;
        assert!(!answer.contains("200"), "{said}: {answer}");
        assert!(
            start.elapsed() <= Duration::from_secs(61),
            "{said}: {:?}",
            start.elapsed()
        );
        assert!(!server.ended.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn further_connections_wait_for_a_place() {
    let limits = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    let server = server_with(limits).await;
    let mut first = server.connect().await;
    ask(&mut first, "/fine").await;
    let mut second = server.connect().await;
    let waited = tokio::time::timeout(Duration::from_secs(1), ask(&mut second, "/fine")).await;
    assert!(waited.is_err());
    drop(first);
    assert!(
        rest_until_answer(&mut second)
            .await
            .starts_with("HTTP/1.1 200")
    );
}

async fn rest_until_answer(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_finished_before_the_end() {
    let server = server().await;
    let mut stream = server.connect().await;
    let request = "POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nlate";
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.stop.cancel();
    assert!(rest(stream).await.ends_with("late"));
    assert_eq!(server.ended.await.unwrap().cut_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_do_not_delay_the_end() {
    let server = server().await;
    let mut used = server.connect().await;
    ask(&mut used, "/fine").await;
    let fresh = server.connect().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    server.stop.cancel();
    assert_eq!(server.ended.await.unwrap().cut_connections, 0);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(rest(fresh).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_never_ends_is_cut_when_the_grace_is_over() {
    let server = server().await;
    let mut stuck = server.connect().await;
    let request = "GET /never HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stuck.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    server.stop.cancel();
    assert_eq!(server.ended.await.unwrap().cut_connections, 1);
    let grace = Limits::default().drain_grace;
    assert!(start.elapsed() >= grace && start.elapsed() < grace + Duration::from_secs(1));
    assert_eq!(rest(stuck).await, "");
}

/// HTTP/2, spoken by hand.
mod http2 {
    use super::{AsyncWriteExt, Duration, Limits, TcpStream, rest_bytes, server};

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;

    /// The frames that arrive, as types and payloads.
    fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
            let length =
                usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let Some((payload, rest)) = rest.split_at_checked(length) else {
                break;
            };
            frames.push((head[3], payload.to_vec()));
            bytes = rest;
        }
        frames
    }

    async fn talk(stream: &mut TcpStream, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        stream.write_all(bytes).await.unwrap();
        frames(&rest_bytes(stream, Duration::from_millis(500)).await)
    }

    fn setting(frames: &[(u8, Vec<u8>)], id: u8) -> Option<u32> {
        let (_, payload) = frames.iter().find(|(kind, _)| *kind == SETTINGS)?;
        let (settings, _) = payload.as_chunks::<6>();
        let found = settings.iter().find(|setting| setting[..2] == [0, id])?;
        found.last_chunk().copied().map(u32::from_be_bytes)
    }

    #[tokio::test]
    async fn the_limits_are_told_to_the_peer() {
        let mut stream = server().await.connect().await;
        let frames = talk(&mut stream, PREFACE).await;
        let limits = Limits::default();
        assert_eq!(setting(&frames, 3), Some(limits.max_concurrent_streams));
        assert_eq!(setting(&frames, 6), Some(limits.max_header_bytes));
    }

    #[tokio::test]
    async fn a_flood_of_resets_ends_the_connection_and_no_other() {
        let server = server().await;
        let mut stream = server.connect().await;
        let mut bytes = PREFACE.to_vec();
        for stream_id in (1..4000_u32).step_by(2) {
            let id = stream_id.to_be_bytes();
            // GET http://x/never
            let headers = b"\x82\x86\x04\x06/never\x41\x01x";
            bytes.extend_from_slice(&[0, 0, u8::try_from(headers.len()).unwrap(), 1, 5]);
            bytes.extend_from_slice(&id);
            bytes.extend_from_slice(headers);
            bytes.extend_from_slice(&[0, 0, 4, 3, 0]);
            bytes.extend_from_slice(&id);
            bytes.extend_from_slice(&[0, 0, 0, 8]);
        }
        let frames = talk(&mut stream, &bytes).await;
        assert!(frames.iter().any(|(kind, _)| *kind == GOAWAY), "{frames:?}");
        let mut other = server.connect().await;
        assert!(super::ask(&mut other, "/fine").await.ends_with("fine"));
    }
}

/// What arrives until the end, or until nothing more does for a while.
async fn rest_bytes(stream: &mut TcpStream, quiet: Duration) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Ok(Ok(read @ 1..)) = tokio::time::timeout(quiet, stream.read(&mut buffer)).await {
        all.extend_from_slice(&buffer[..read]);
    }
    all
}
