//! Serves an axum router over TCP or a socket file, HTTP/1 and HTTP/2, and so
//! gRPC too, within [`Limits`].
//!
//! Invariant: it ends. Told to stop, it accepts no more, lets requests under
//! way finish for as long as the grace lasts, then closes what is left,
//! whatever a connection is doing.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use self::connection::Connections;
use crate::door::Peer;
use crate::limits::Limits;

mod connection;
mod greeting;

/// How long to wait when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come in. Bind it first, then serve: a test binds port 0.
#[derive(Debug)]
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A socket file; its permissions say who may come in.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open when the grace was over.
    pub cut_connections: usize,
}

/// Serves `app` until `stop` is cancelled and connections have drained.
pub async fn serve(
    listener: impl Into<Listener>,
    app: Router,
    limits: Limits,
    stop: CancellationToken,
) -> Drained {
    let listener = listener.into();
    let connections = Connections::new(app, limits, stop.clone());
    tokio::select! {
        never = accept(listener, &connections) => match never {},
        () = stop.cancelled() => {}
    }
    connections.drain().await
}

/// Accepts for ever. The listener is dropped with this future: what comes
/// later is refused by the system.
async fn accept(listener: Listener, connections: &Connections) -> Infallible {
    loop {
        let place = connections.place().await;
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, from)| {
                connections.take_tcp(place, stream, from);
            }),
            #[cfg(unix)]
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                connections.take(place, stream, Peer::Unix);
            }),
        };
        if let Err(error) = accepted {
            pause(&error).await;
        }
    }
}

async fn pause(error: &io::Error) {
    // Then only this one caller gave up before we came to it.
    let is_about_one = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !is_about_one {
        tracing::warn!(%error, "cannot accept connections for now");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
