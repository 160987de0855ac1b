//! Questions to a hub: redirects followed within bounds, the token shown to the hub alone.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, ETAG, HeaderMap, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::oid::Oid;
use super::reach::{Reach, Refused};
use crate::client::Failure;
use crate::config::PullOptions;
use crate::progress::Bar;

/// Where models are when nobody says.
const USUAL_ENDPOINT: &str = "https://huggingface.co";
/// Most redirects of one question.
const MAX_REDIRECTS: usize = 5;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may come.
const STALL: Duration = Duration::from_secs(30);
/// Faults in a row, without a byte in between, after which it is given up.
const MAX_FAULTS: u32 = 5;
/// The first pause after a fault; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// The way to one hub.
#[derive(Debug)]
pub(super) struct Transport {
    client: Client,
    endpoint: Url,
    token: Option<HeaderValue>,
    reach: Reach,
}

/// Why a question was not answered.
#[derive(Debug)]
pub(super) enum Fault {
    /// It may be answered another time.
    Passing(String),
    /// It will not be.
    Final(Failure),
}

/// An answer, and what the hub itself said of the file on the way to it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) oid: Option<Oid>,
}

impl Transport {
    pub(super) async fn new(options: &PullOptions) -> Result<Self, Failure> {
        let usage = |message: String| Failure::Usage(message);
        let named = options.endpoint.as_deref();
        let text = named.unwrap_or(USUAL_ENDPOINT);
        let endpoint: Url = text.parse().map_err(|_invalid| {
            usage(format!(
                "`{text}` is no address of a hub, expected one such as {USUAL_ENDPOINT}"
            ))
        })?;
        let reach = Reach::of(&endpoint, named.is_some(), options.insecure).await;
        let reach = reach.map_err(|refused| usage(refused.to_string()))?;
        let token = options.token()?.map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"));
            if let Ok(value) = &mut value {
                value.set_sensitive(true);
            }
            value.map_err(|_invalid| usage("the hub's token holds characters that none has".into()))
        });
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .user_agent(concat!("tideline/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(reach.clone()))
            .build();
        Ok(Self {
            client: client.map_err(|error| Failure::Failed(told(&error)))?,
            endpoint,
            token: token.transpose()?,
            reach,
        })
    }

    /// An address of the hub, its parts escaped.
    pub(super) fn url<'p>(&self, parts: impl IntoIterator<Item = &'p str>) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// Asks for what is at `url`, from that byte on, wherever the hub says it is.
    pub(super) async fn get(&self, url: Url, from: u64) -> Result<Answer, Fault> {
        let mut url = url;
        let mut oid = None;
        for _ in 0..=MAX_REDIRECTS {
            self.reach.admit(&url).map_err(|refused| {
                let why = format!("the hub leads to where nothing is fetched from: {refused}");
                Fault::Final(Failure::Failed(why))
            })?;
            let is_hub = url.origin() == self.endpoint.origin();
            let mut request = self.client.get(url.clone());
            request = request.header(ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            if let (true, Some(token)) = (is_hub, &self.token) {
                request = request.header(AUTHORIZATION, token.clone());
            }
            let response = request.send().await.map_err(|error| fault(&error))?;
            if is_hub {
                oid = oid.or_else(|| said(response.headers()));
            }
            if !response.status().is_redirection() {
                return Ok(Answer { response, oid });
            }
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            url = location
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| {
                    Fault::Final(Failure::Failed("the hub redirects to nowhere".into()))
                })?;
        }
        Err(Fault::Final(Failure::Failed(format!(
            "the hub redirects more than {MAX_REDIRECTS} times"
        ))))
    }

    /// What a refusal means for `what`.
    pub(super) fn refusal(&self, status: StatusCode, what: &str) -> Fault {
        let hub = self.endpoint.host_str().unwrap_or_default();
        match status.as_u16() {
            401 | 403 => Fault::Final(Failure::Failed(format!(
                "{hub} does not give {what} to everybody: it is private, gated or not there; accept its terms on \
                 the hub, and set HF_TOKEN or --hub-token-file"
            ))),
            404 | 410 => Fault::Final(Failure::NotFound(format!("{hub} has no {what}"))),
            408 | 416 | 429 | 500..=599 => Fault::Passing(format!("{hub} answers {status}")),
            _ => Fault::Final(Failure::Failed(format!(
                "{hub} answers {status} for {what}"
            ))),
        }
    }
}

/// Tells passing faults in a row from final ones, with pauses that grow.
#[derive(Debug, Default)]
pub(super) struct Patience(u32);

impl Patience {
    /// After progress everything is forgiven.
    pub(super) fn renew(&mut self) {
        self.0 = 0;
    }

    /// Waits before another try; an error when it is given up.
    pub(super) async fn wait(&mut self, fault: Fault, bar: &Bar) -> Result<(), Failure> {
        let why = match fault {
            Fault::Final(failure) => return Err(failure),
            Fault::Passing(why) => why,
        };
        self.0 += 1;
        if self.0 >= MAX_FAULTS {
            return Err(Failure::Unreachable(format!(
                "{why}; given up after {MAX_FAULTS} tries, what has come is kept for the next pull"
            )));
        }
        bar.say(&format!("{why}; trying again"));
        tokio::time::sleep(PAUSE * 2_u32.pow(self.0 - 1)).await;
        Ok(())
    }
}

/// The digest that a hub's own answer names.
fn said(headers: &HeaderMap) -> Option<Oid> {
    let header = headers.get("x-linked-etag").or_else(|| headers.get(ETAG))?;
    let text = header.to_str().ok()?;
    Oid::parse(text.trim_start_matches("W/").trim_matches('"'))
}

/// What went wrong on the way, and whether it may pass.
pub(super) fn fault(error: &reqwest::Error) -> Fault {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        if let Some(refused) = current.downcast_ref::<Refused>() {
            return Fault::Final(Failure::Failed(refused.to_string()));
        }
        cause = current.source();
    }
    Fault::Passing(told(error))
}

/// An error with its causes, without the address: what a redirect signed stays out of logs.
fn told(error: &reqwest::Error) -> String {
    let host = error.url().and_then(Url::host_str).unwrap_or("the hub");
    let mut text = format!("{host} does not answer");
    let mut cause = std::error::Error::source(error);
    while let Some(current) = cause {
        text = format!("{text}: {current}");
        cause = current.source();
    }
    text
}
