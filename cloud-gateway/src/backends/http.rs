//! The HTTP client for services of others: connections kept and used again, TLS by rustls.
//!
//! It follows no redirect: content goes where it is configured to go. Whoever calls it has held the
//! request's Boundary against the service's.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as LegacyClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::config::UpstreamConfig;

/// How long a connection that nobody uses is kept.
const IDLE: std::time::Duration = std::time::Duration::from_secs(60);

/// A client; a clone shares its connections.
pub(super) type Client = LegacyClient<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The client of one service.
pub(super) fn client(upstream: &UpstreamConfig) -> anyhow::Result<Client> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(upstream.timeouts.connect()));
    tcp.set_keepalive(Some(IDLE));
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(upstream)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(LegacyClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(upstream.concurrency.into())
        .build(connector))
}

fn tls(upstream: &UpstreamConfig) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match upstream.read_authorities()? {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.context("caFile")?)?;
            }
            anyhow::ensure!(!roots.is_empty(), "caFile holds no certificate");
            builder.with_root_certificates(roots)
        }
        None if upstream.urls.iter().any(|url| url.starts_with("https")) => builder
            .with_native_roots()
            .context("the system's certificate authorities; name others with caFile")?,
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}
