//! Which addresses a pull may reach: a hub, or whoever it redirects to, must not turn it against the
//! networks behind this laptop.
//!
//! Asked for every address that a name resolves to, and for every redirect. Invariant: link-local
//! addresses, where clouds keep their secrets, are never reached.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// This machine.
    Loopback,
    /// A network that is somebody's own.
    Private,
    /// The internet.
    Global,
    /// Nowhere that a model could come from.
    Never,
}

impl Zone {
    /// Where `ip` lies; addresses that carry another are judged by that one.
    pub(super) fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [127, ..] => Self::Loopback,
            [10, ..] | [192, 168, ..] => Self::Private,
            [172, second, ..] if (16..32).contains(&second) => Self::Private,
            [100, second, ..] if (64..128).contains(&second) => Self::Private,
            [0 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0, _] | [198, 18 | 19, ..] => {
                Self::Never
            }
            _ => Self::Global,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        let inner = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match ip.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // IPv4-mapped, IPv4-compatible, NAT64, 6to4.
            [0, 0, 0, 0, 0, 0xffff | 0, high, low]
            | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
            | [0x2002, high, low, ..] => inner(high, low),
            [first, ..] if first & 0xfe00 == 0xfc00 => Self::Private,
            // Teredo.
            [0x2001, 0, ..] => Self::Never,
            [first, ..] if (0x2000..0x4000).contains(&first) => Self::Global,
            _ => Self::Never,
        }
    }
}

/// What a pull may reach.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// The zone of an endpoint that somebody named, beside the internet.
    own: Option<Zone>,
    /// Whether clear text is accepted beyond this machine.
    is_insecure: bool,
}

/// A place that is not reached, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Reach {
    /// For the usual endpoint, or for one that was named: then its own zone may be reached too.
    pub(super) async fn of(
        endpoint: &Url,
        is_named: bool,
        is_insecure: bool,
    ) -> Result<Self, Refused> {
        let mut reach = Self {
            own: None,
            is_insecure,
        };
        if is_named {
            reach.own = match address(endpoint) {
                Some(ip) => Some(Zone::of(ip)),
                None => resolved(endpoint).await,
            };
        }
        reach.admit(endpoint)?;
        Ok(reach)
    }

    /// Whether this may be asked for. A name is judged again when it is resolved.
    pub(super) fn admit(&self, url: &Url) -> Result<(), Refused> {
        let host = url.host_str().unwrap_or_default();
        let ip = address(url);
        let is_here = host == "localhost" || ip.is_some_and(|ip| Zone::of(ip) == Zone::Loopback);
        match url.scheme() {
            "https" => {}
            "http" if is_here || self.is_insecure => {}
            "http" => {
                return Err(Refused(format!(
                    "http://{host} would be clear text, expected https; --insecure accepts it"
                )));
            }
            other => return Err(Refused(format!("`{other}://` is not a way to a hub"))),
        }
        if host.is_empty() || !url.username().is_empty() || url.password().is_some() {
            return Err(Refused("an address needs a host, and no user".into()));
        }
        ip.map_or(Ok(()), |ip| self.admit_ip(host, ip))
    }

    fn admit_ip(&self, host: &str, ip: IpAddr) -> Result<(), Refused> {
        let zone = Zone::of(ip);
        match zone {
            Zone::Global => Ok(()),
            Zone::Loopback | Zone::Private if self.own == Some(zone) => Ok(()),
            Zone::Loopback | Zone::Private | Zone::Never => Err(Refused(format!(
                "{host} is at {ip}, which is no public address; only an --endpoint that is there itself may lead there"
            ))),
        }
    }
}

/// The address that stands for a host; none when it is a name.
fn address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_matches(['[', ']']).parse().ok()
}

async fn resolved(url: &Url) -> Option<Zone> {
    let host = url.host_str()?;
    let port = url.port_or_known_default()?;
    let mut found = tokio::net::lookup_host((host, port)).await.ok()?;
    found.next().map(|address| Zone::of(address.ip()))
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            // One address that must not be reached is one too many.
            for address in &found {
                reach.admit_ip(name.as_str(), address.ip())?;
            }
            Ok::<Addrs, _>(Box::new(found.into_iter()))
        })
    }
}

#[cfg(test)]
mod tests {
    //! What is reached and what is not.

    use super::{Reach, Zone};

    #[test]
    fn addresses_are_judged_by_where_they_lead() {
        for (ip, zone) in [
            ("127.0.0.2", Zone::Loopback),
            ("::1", Zone::Loopback),
            ("::ffff:127.0.0.1", Zone::Loopback),
            ("10.1.2.3", Zone::Private),
            ("172.31.0.1", Zone::Private),
            ("100.100.100.200", Zone::Private),
            ("fd00::1", Zone::Private),
            ("169.254.169.254", Zone::Never),
            ("::ffff:169.254.169.254", Zone::Never),
            ("64:ff9b::a9fe:a9fe", Zone::Never),
            ("2002:a9fe:a9fe::1", Zone::Never),
            ("fe80::1", Zone::Never),
            ("2001:0:a9fe:a9fe::1", Zone::Never),
            ("0.0.0.0", Zone::Never),
            ("::", Zone::Never),
            ("255.255.255.255", Zone::Never),
            ("3.5.140.1", Zone::Global),
            ("2600:9000::1", Zone::Global),
        ] {
            assert_eq!(Zone::of(ip.parse().unwrap()), zone, "{ip}");
        }
    }

    async fn check(endpoint: &str, is_named: bool, url: &str, expected: bool) {
        let url = url.parse().unwrap();
        let reach = Reach::of(&endpoint.parse().unwrap(), is_named, false).await;
        assert_eq!(
            reach.unwrap().admit(&url).is_ok(),
            expected,
            "{endpoint} {url}"
        );
    }

    #[tokio::test]
    async fn only_an_endpoint_that_is_here_may_lead_here() {
        let (hub, here) = ("https://203.0.113.1", "http://127.0.0.1:9");
        for (endpoint, is_named, url, expected) in [
            (hub, false, "https://198.51.100.7/f", true),
            (hub, false, "http://198.51.100.7/f", false),
            (hub, true, "https://127.0.0.1/f", false),
            (hub, true, "https://10.0.0.1/f", false),
            (hub, true, "https://169.254.169.254/f", false),
            (here, true, "http://127.0.0.1:10/f", true),
            (here, true, "http://169.254.169.254/f", false),
            (here, true, "https://10.0.0.1/f", false),
            ("https://10.0.0.1", true, "https://10.0.0.2/f", true),
            (hub, true, "ftp://203.0.113.1/f", false),
            (hub, true, "https://user@203.0.113.1/f", false),
        ] {
            check(endpoint, is_named, url, expected).await;
        }
        let unnamed = Reach::of(&here.parse().unwrap(), false, false).await;
        assert!(unnamed.is_err());
    }
}
