//! Who may come in: the caller's token, the `Host` that they called, the
//! `Origin` of the page that sent them.
//!
//! It stands before HTTP and gRPC alike and answers in the form of whichever
//! protocol knocked. Its one invariant: over TCP nothing passes that a web
//! page of someone else's could have sent, by name tricks (DNS rebinding) or
//! by plain cross-site requests. Callers on a socket file have passed the
//! file's own permissions.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN};
use http::uri::Authority;
use subtle::ConstantTimeEq;

use crate::error::{ErrorKind, InferenceError};
use crate::refusal::Protocol;

/// What a door asks of its callers.
#[derive(Clone, Debug)]
pub struct Door {
    /// The token to be shown as `Authorization: Bearer …`; none is asked for
    /// when unset.
    pub token: Option<Token>,
    /// The names by which the server may be called.
    pub hosts: Hosts,
    /// Origins of web pages that may call, such as `http://localhost:3000`.
    pub origins: Vec<String>,
    /// Paths that need no token, such as `/healthz`.
    pub open_paths: Vec<&'static str>,
}

impl Door {
    /// `app` behind this door.
    pub fn guard(self, app: Router) -> Router {
        app.layer(middleware::from_fn_with_state(Arc::new(self), pass))
    }

    fn check(&self, request: &Request) -> Result<(), InferenceError> {
        match request.extensions().get::<Peer>() {
            Some(Peer::Unix) => return Ok(()),
            Some(Peer::Tcp(_)) | None => {}
        }
        let headers = request.headers();
        self.check_host(request)?;
        self.check_origin(headers)?;
        if self.open_paths.contains(&request.uri().path()) {
            return Ok(());
        }
        self.check_token(headers)
    }

    fn check_host(&self, request: &Request) -> Result<(), InferenceError> {
        // Over HTTP/2 the name stands in the address.
        let named = request.uri().authority().cloned().or_else(|| {
            let host = request.headers().get(HOST)?;
            Authority::try_from(host.as_bytes()).ok()
        });
        if named.is_some_and(|named| self.hosts.include(named.host())) {
            return Ok(());
        }
        let message = "this server is not called by that host name: use localhost or its address";
        Err(InferenceError::new(ErrorKind::Forbidden, message).with_param("host"))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), InferenceError> {
        let may_call = |origin: &HeaderValue| {
            let mut known = self.origins.iter();
            known.any(|known| known.as_bytes() == origin.as_bytes())
        };
        if headers.get_all(ORIGIN).iter().all(may_call) {
            return Ok(());
        }
        let message = "web pages of that origin may not call this server";
        Err(InferenceError::new(ErrorKind::Forbidden, message).with_param("origin"))
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), InferenceError> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        let message = match headers.get(AUTHORIZATION) {
            Some(shown) if bearer(shown).is_some_and(|shown| token.is(shown)) => return Ok(()),
            Some(_) => "the token is not the right one",
            None => "no token was shown: send `Authorization: Bearer <token>`",
        };
        Err(InferenceError::new(ErrorKind::Unauthenticated, message))
    }
}

async fn pass(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    match door.check(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => Protocol::of(request.uri(), request.headers()).refuse(&error),
    }
}

fn bearer(header: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = header.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Where a request came from. [`crate::serve`] puts it in the request's
/// extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP, from this address.
    Tcp(SocketAddr),
    /// Over a socket file.
    Unix,
}

/// A caller's secret. Compared in time that does not depend on its content,
/// and never shown.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// Shortest token, in bytes.
    pub const MIN_BYTES: usize = 16;

    /// The token, if it is at least [`Token::MIN_BYTES`] visible ASCII
    /// characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_long = text.len() >= Self::MIN_BYTES;
        (is_long && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.into()))
    }

    fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The names by which a server may be called, ports aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Any: for a server that others are meant to reach.
    Any,
    /// `localhost`, loopback addresses, and these names or addresses.
    Local(Vec<String>),
}

impl Hosts {
    /// The names of a server that listens at `address`.
    #[must_use]
    pub fn local(address: IpAddr) -> Self {
        Self::Local(vec![address.to_string()])
    }

    fn include(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match self {
            Self::Any => true,
            Self::Local(more) => {
                let is_loopback = host
                    .parse()
                    .is_ok_and(|address: IpAddr| address.is_loopback());
                let is_one_of_more = more.iter().any(|name| name.eq_ignore_ascii_case(host));
                is_loopback || host.eq_ignore_ascii_case("localhost") || is_one_of_more
            }
        }
    }
}

#[cfg(test)]
mod tests;
