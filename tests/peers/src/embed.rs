//! Requests to an OpenAI embeddings API.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;

use crate::http::{self, Asked};

/// A request for each text; vectors come back in base64, as OpenAI's own client asks for them.
///
/// # Errors
///
/// When a file cannot be read, or is no list of texts.
pub(crate) fn requests(
    server: SocketAddr,
    token_file: &Path,
    model: &str,
    texts: &Path,
) -> Result<Arc<[Asked]>> {
    let token = http::bearer(token_file)?;
    let listed = fs::read(texts).with_context(|| format!("could not read {}", texts.display()))?;
    let texts: Vec<String> = serde_json::from_slice(&listed).context("expected a list of texts")?;
    let request = |text: &String| {
        let body = json!({ "model": model, "input": text, "encoding_format": "base64" });
        http::post(server, "/v1/embeddings", Some(&token), &body)
    };
    texts.iter().map(request).collect()
}
