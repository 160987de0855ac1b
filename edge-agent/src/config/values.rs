//! Values that cannot be wrong once they are read.

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use serde::{Deserialize, Serialize};

/// An address of this machine that no other can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Loopback(SocketAddr);

impl Loopback {
    /// `127.0.0.1` at that port; 0 is any that is free.
    #[must_use]
    pub fn port(port: u16) -> Self {
        Self((Ipv4Addr::LOCALHOST, port).into())
    }

    /// The address.
    #[must_use]
    pub fn addr(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for Loopback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let addr: SocketAddr = text.parse().or(Err(format!(
            "`{text}` is not an address; expected one such as 127.0.0.1:7071"
        )))?;
        if !addr.ip().is_loopback() {
            return Err(format!(
                "`{text}` could be reached from other machines; the local API serves this one alone, \
                 at a loopback address such as 127.0.0.1:{}",
                addr.port()
            ));
        }
        Ok(Self(addr))
    }
}

/// Where installed models are: a folder, or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ModelStore {
    /// Nowhere: configured models alone are loaded.
    None,
    /// In that folder, whether it is there already or not.
    At(PathBuf),
}

impl From<String> for ModelStore {
    fn from(text: String) -> Self {
        match text.as_str() {
            "none" => Self::None,
            _ => Self::At(text.into()),
        }
    }
}

impl FromStr for ModelStore {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_owned().into())
    }
}

impl From<ModelStore> for String {
    fn from(store: ModelStore) -> Self {
        match store {
            ModelStore::None => "none".into(),
            ModelStore::At(path) => path.display().to_string(),
        }
    }
}

/// Where a gateway is: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayUrl(Uri);

impl GatewayUrl {
    /// The address.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether what is sent there stays on this machine.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost"
            || host
                .parse()
                .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

impl FromStr for GatewayUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "expected one such as http://gateway.example.com:7080";
        let uri: Uri = text
            .parse()
            .or(Err(format!("`{text}` is not a URL; {wanted}")))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => {}
            (Some("https"), Some(_)) => {
                return Err(format!(
                    "`{text}` asks for TLS, which this version does not speak yet; put a TLS tunnel \
                     on this machine and name its http://127.0.0.1 address"
                ));
            }
            _ => return Err(format!("`{text}` is not a gateway's URL; {wanted}")),
        }
        if !matches!(
            uri.path_and_query().map(http::uri::PathAndQuery::as_str),
            None | Some("/")
        ) {
            return Err(format!(
                "`{text}` has a path, and a gateway's URL has none; {wanted}"
            ));
        }
        Ok(Self(uri))
    }
}

/// Power, in watts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Watts(f64);

impl Watts {
    /// The power as a number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

/// What a laptop's processor draws beyond idling while all its cores work: a middling figure.
impl Default for Watts {
    fn default() -> Self {
        Self(15.0)
    }
}

impl TryFrom<f64> for Watts {
    type Error = String;

    fn try_from(watts: f64) -> Result<Self, String> {
        if (0.0..=1000.0).contains(&watts) {
            return Ok(Self(watts));
        }
        Err(format!("{watts} is not a power in watts from 0 to 1000"))
    }
}

impl From<Watts> for f64 {
    fn from(watts: Watts) -> Self {
        watts.0
    }
}

impl TryFrom<String> for Loopback {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Loopback> for String {
    fn from(loopback: Loopback) -> Self {
        loopback.0.to_string()
    }
}

impl TryFrom<String> for GatewayUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<GatewayUrl> for String {
    fn from(url: GatewayUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}
