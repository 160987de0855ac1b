//! Where the gateway is and how it is reached: one HTTP/2 connection with every limit set, and the
//! token that each call on it carries.

use std::error::Error as _;
use std::time::Duration;

use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::config::GatewayUrl;

/// A connection to the gateway, shared by all that talk to it.
pub(crate) type GatewayChannel = InterceptedService<Channel, Bearer>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEADER_BYTES: u32 = 32 * 1024;
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// The gateway that is configured.
#[derive(Clone, Debug)]
pub(crate) struct GatewayEndpoint {
    endpoint: Endpoint,
    bearer: Bearer,
}

/// Why a gateway cannot be talked to.
#[derive(Debug, Error)]
pub(crate) enum EndpointError {
    /// The token cannot stand in a header.
    #[error("the gateway's token is empty or holds characters that no header can")]
    Token,
    /// No connection came about.
    #[error("cannot connect to the gateway: {0}")]
    Connect(String),
    /// The address is none.
    #[error("the gateway's address cannot be used: {0}")]
    Address(String),
}

impl GatewayEndpoint {
    /// The gateway at `url`, shown `token` with every call.
    ///
    /// # Errors
    /// When the token cannot stand in a header.
    pub(crate) fn new(url: &GatewayUrl, token: Option<&str>) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::from_shared(url.to_string())
            .map_err(|error| EndpointError::Address(innermost(&error)))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        Ok(Self {
            endpoint,
            bearer: Bearer::new(token)?,
        })
    }

    /// Makes a connection, within a few seconds.
    ///
    /// # Errors
    /// When none comes about.
    pub(crate) async fn connect(&self) -> Result<GatewayChannel, EndpointError> {
        let connecting = self.endpoint.connect().await;
        let channel = connecting.map_err(|error| EndpointError::Connect(innermost(&error)))?;
        Ok(InterceptedService::new(channel, self.bearer.clone()))
    }
}

/// Shows the token, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(token: Option<&str>) -> Result<Self, EndpointError> {
        let Some(token) = token.map(str::trim) else {
            return Ok(Self(None));
        };
        if token.is_empty() {
            return Err(EndpointError::Token);
        }
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .or(Err(EndpointError::Token))?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// What a chain of errors is about in the end, such as "connection refused".
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What a failed call is about, without the detail that only a developer wants.
pub(crate) fn brief(status: &Status) -> String {
    match status.source() {
        Some(source) => innermost(source),
        None => status.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bearer, GatewayEndpoint};

    #[test]
    fn a_token_that_no_header_can_hold_is_refused() {
        for token in ["", " \n", "two\nlines"] {
            assert!(Bearer::new(Some(token)).is_err(), "{token:?}");
        }
    }

    #[test]
    fn the_token_is_never_shown() {
        let url = "http://127.0.0.1:1".parse().unwrap();
        let endpoint = GatewayEndpoint::new(&url, Some("s3cret\n")).unwrap();
        assert!(!format!("{endpoint:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn a_gateway_that_is_not_there_is_told_in_a_few_words() {
        let url = "http://127.0.0.1:1".parse().unwrap();
        let error = GatewayEndpoint::new(&url, None)
            .unwrap()
            .connect()
            .await
            .unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
