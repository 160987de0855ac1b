//! The connections of one listener: each a task with a bound and an end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::Drained;
use super::greeting::{Greeted, Greeting};
use crate::door::Peer;
use crate::error::InferenceError;
use crate::limits::Limits;
use crate::refusal::Protocol;

/// HTTP/1 cannot read a head with less room than this.
const MIN_HTTP1_BUFFER: usize = 8 * 1024;

/// How long connections that are cut get to notice.
const CUT_TIME: Duration = Duration::from_secs(1);

/// All connections of one listener.
pub(super) struct Connections {
    app: Router,
    limits: Limits,
    max: usize,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Connections {
    pub(super) fn new(app: Router, limits: Limits, stop: CancellationToken) -> Self {
        let max = limits.max_connections.min(Semaphore::MAX_PERMITS);
        Self {
            app,
            limits,
            max,
            places: Arc::new(Semaphore::new(max)),
            tasks: TaskTracker::new(),
            stop,
            cut: CancellationToken::new(),
        }
    }

    /// Room for one more connection, once there is some.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Serves one connection over TCP.
    pub(super) fn take_tcp(
        &self,
        place: Option<OwnedSemaphorePermit>,
        stream: TcpStream,
        from: SocketAddr,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        self.take(place, stream, Peer::Tcp(from));
    }

    /// Serves one connection.
    pub(super) fn take<I>(&self, place: Option<OwnedSemaphorePermit>, stream: I, peer: Peer)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Connection {
            app: self.app.clone(),
            peer,
            builder: self.builder(),
            greeting_time: self.limits.header_timeout,
            stop: self.stop.clone(),
        };
        let cut = self.cut.clone();
        self.tasks.spawn(cut.run_until_cancelled_owned(async move {
            connection.run(stream).await;
            drop(place);
        }));
    }

    /// Lets connections finish within the grace, then cuts the rest.
    pub(super) async fn drain(self) -> Drained {
        self.tasks.close();
        let drained = tokio::time::timeout(self.limits.drain_grace, self.tasks.wait()).await;
        let cut_connections = self.max - self.places.available_permits();
        if drained.is_err() {
            self.cut.cancel();
            // They end at their next step; one that never takes it is left.
            let _late = tokio::time::timeout(CUT_TIME, self.tasks.wait()).await;
        }
        Drained { cut_connections }
    }

    fn builder(&self) -> auto::Builder<Tasks> {
        let limits = &self.limits;
        let head = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
        let mut builder = auto::Builder::new(Tasks {
            tasks: self.tasks.clone(),
            cut: self.cut.clone(),
        });
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_headers(limits.max_headers)
            .max_buf_size(head.max(MIN_HTTP1_BUFFER));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.max_concurrent_streams)
            .max_pending_accept_reset_streams(limits.max_pending_resets)
            .max_header_list_size(limits.max_header_bytes)
            .keep_alive_interval(limits.keepalive_interval)
            .keep_alive_timeout(limits.keepalive_timeout);
        builder
    }
}

/// One connection, before it is driven.
struct Connection {
    app: Router,
    peer: Peer,
    builder: auto::Builder<Tasks>,
    greeting_time: Duration,
    stop: CancellationToken,
}

impl Connection {
    async fn run<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: I) {
        let greeted = Greeted::default();
        let stream = TokioIo::new(Greeting::new(stream, greeted.clone()));
        let service = service_fn(|request| answer(self.app.clone(), self.peer, request));
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        let mut silence = pin!(tokio::time::sleep(self.greeting_time));
        let (mut is_stopping, mut is_watched) = (false, true);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection broke");
                    }
                    break;
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = silence.as_mut(), if is_watched => {
                    is_watched = false;
                    if !greeted.is_set() {
                        break;
                    }
                }
            }
        }
    }
}

/// The app's answer; a typed error when it panics, which harms no one else.
async fn answer(
    mut app: Router,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let protocol = Protocol::of(request.uri(), request.headers());
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let answer = AssertUnwindSafe(async move { app.call(request).await });
    // What a panic says is not logged: it may quote the request.
    answer.catch_unwind().await.unwrap_or_else(|_panic| {
        let error = InferenceError::internal().with_log("a handler panicked");
        Ok(protocol.refuse(&error))
    })
}

/// Runs the tasks of HTTP/2 streams among those of their listener.
#[derive(Clone)]
struct Tasks {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let cut = self.cut.clone();
        self.tasks.spawn(cut.run_until_cancelled_owned(stream));
    }
}
