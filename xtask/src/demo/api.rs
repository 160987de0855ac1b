//! The agent's public API, as any app uses it: a request goes in, an embedding and the headers that
//! tell of its placement come out.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use ureq::http::HeaderMap;

use super::texts::Sample;
use crate::http;

/// The agent, and the token that it wants.
#[derive(Debug)]
pub(crate) struct Api {
    http: ureq::Agent,
    base: String,
    token: String,
}

/// What came back, as far as the demo shows it. No content.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The error's code and message, where there was an error.
    pub error: Option<(String, String)>,
    /// From the first byte sent to the last one received.
    pub latency: Duration,
    /// `x-tideline-placement`, where anything was placed.
    pub placement: Option<String>,
    /// What served: the variant, and the provider that ran it.
    pub served: Option<String>,
    /// `x-tideline-reason`.
    pub reason: String,
    /// `x-tideline-decision-id`.
    pub decision_id: Option<String>,
    /// `x-tideline-cost-usd`; `None` when unknown.
    pub cost_usd: Option<f64>,
    /// Of `x-tideline-debug`: the kinds of sensitive data that the agent found.
    pub labels: Vec<String>,
    /// Of `x-tideline-debug`: the latency that was predicted for the chosen candidate.
    pub predicted: Option<Duration>,
    /// Of `x-tideline-debug`: what the cheapest candidate in the cloud would have cost.
    pub cloud_usd: Option<f64>,
}

impl Api {
    /// The agent at this address.
    pub(crate) fn new(base: &str, token: &str) -> Self {
        Self {
            http: http::client(),
            base: base.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Asks for the embedding of a sample's text.
    ///
    /// # Errors
    ///
    /// When there was no answer at all.
    pub(crate) fn embed(&self, sample: &Sample) -> Result<Answer> {
        let body = json!({ "model": "minilm", "input": sample.text }).to_string();
        let mut request = self
            .http
            .post(format!("{}/v1/embeddings", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("x-tideline-app", &sample.app)
            .header("x-tideline-debug", "true");
        if let Some(mode) = &sample.mode {
            request = request.header("x-tideline-mode", mode);
        }
        let begun = Instant::now();
        let mut response = request.send(body).context("the agent did not answer")?;
        let body = response
            .body_mut()
            .read_to_string()
            .context("the agent's answer broke off")?;
        let latency = begun.elapsed();
        let body: Value = serde_json::from_str(&body).context("the agent's answer is not JSON")?;
        Ok(read(
            response.status().as_u16(),
            response.headers(),
            &body,
            latency,
        ))
    }
}

fn read(status: u16, headers: &HeaderMap, body: &Value, latency: Duration) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let owned = |name: &str| header(name).map(str::to_owned);
    let debug = header("x-tideline-debug").and_then(|text| serde_json::from_str(text).ok());
    let debug: Value = debug.unwrap_or_default();
    let error = body["error"].is_object().then(|| {
        let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    });
    Answer {
        status,
        error,
        latency,
        placement: owned("x-tideline-placement"),
        served: header("x-tideline-provider").map(|provider| served(&debug, provider)),
        reason: owned("x-tideline-reason").unwrap_or_default(),
        decision_id: owned("x-tideline-decision-id"),
        cost_usd: header("x-tideline-cost-usd").and_then(|text| text.parse().ok()),
        labels: labels(&debug),
        predicted: predicted(&debug),
        cloud_usd: cloud_usd(&debug),
    }
}

/// The kinds of sensitive data that a decision looked at.
fn labels(debug: &Value) -> Vec<String> {
    let labels = debug["facts"]["request"]["labels"].as_array();
    let texts = labels.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The latency that a decision expected of the candidate that it chose.
fn predicted(debug: &Value) -> Option<Duration> {
    let seconds = chosen(debug)["prediction"]["latency"].as_f64()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The chosen variant and what ran it, in few words: `int8 on CPU`.
fn served(debug: &Value, provider: &str) -> String {
    let provider = provider.trim_end_matches("ExecutionProvider");
    match chosen(debug)["variant"].as_str() {
        Some(variant) => format!("{variant} on {provider}"),
        None => provider.to_owned(),
    }
}

/// The candidate that a decision chose; null when it chose none.
fn chosen(debug: &Value) -> &Value {
    let decision = &debug["decision"];
    let row = decision["order"][0]
        .as_u64()
        .and_then(|row| usize::try_from(row).ok());
    row.map_or(&Value::Null, |row| &decision["table"][row])
}

/// What the cheapest candidate beyond the device would have cost.
fn cloud_usd(debug: &Value) -> Option<f64> {
    let table = debug["decision"]["table"].as_array()?;
    let beyond = table
        .iter()
        .filter(|candidate| candidate["site"]["boundary"] != "device");
    let costs = beyond.filter_map(|candidate| candidate["prediction"]["cost"].as_f64());
    costs.min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests;
