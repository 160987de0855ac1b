//! Chats with the agent, as any app has them: whole, or piece by piece.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::http;

/// The agent, and the token that it wants.
#[derive(Debug)]
pub(super) struct Talk {
    http: ureq::Agent,
    url: String,
    token: String,
}

/// One question.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) messages: &'a Value,
    /// The value of `x-tideline-mode`.
    pub(super) mode: Option<&'a str>,
    pub(super) streams: bool,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    /// Where it was given: more than one when it went on elsewhere.
    pub(super) placements: Vec<String>,
    pub(super) reason: String,
    pub(super) cost_usd: f64,
    /// The policy let it be answered nowhere that the caller would have.
    pub(super) is_denied: bool,
    /// Until the first of the text was here.
    pub(super) first_token: Duration,
}

impl Answer {
    /// Whether a cascade had the cloud answer.
    pub(super) fn has_escalated(&self) -> bool {
        self.reason.contains("escalated")
    }
}

impl Talk {
    pub(super) fn new(base: &str, token: &str) -> Self {
        Self {
            http: http::client(),
            url: format!("{base}/v1/chat/completions"),
            token: token.to_owned(),
        }
    }

    /// Asks, and shows each piece as it comes.
    ///
    /// # Errors
    ///
    /// When there is no answer, or it breaks.
    pub(super) fn ask(&self, asked: &Asked<'_>, mut show: impl FnMut(&str)) -> Result<Answer> {
        let body = json!({
            "model": "assistant", "messages": asked.messages, "temperature": 0, "max_tokens": 64,
            "stream": asked.streams, "stream_options": { "include_usage": true },
        });
        let mut request = self
            .http
            .post(&self.url)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("x-tideline-app", "demo");
        if let Some(mode) = asked.mode {
            request = request.header("x-tideline-mode", mode);
        }
        let begun = Instant::now();
        let response = request.send(body.to_string());
        let mut response = response.context("the agent did not answer")?;
        let header = |name: &str| {
            let value = response.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let mut answer = Answer {
            placements: vec![header("x-tideline-placement")],
            reason: header("x-tideline-reason"),
            cost_usd: header("x-tideline-cost-usd").parse().unwrap_or(0.0),
            ..Answer::default()
        };
        let status = response.status().as_u16();
        let body = response.body_mut();
        if status != 200 || !asked.streams {
            let text = body.read_to_string().context("the answer broke off")?;
            let body: Value = serde_json::from_str(&text).context("the answer is not JSON")?;
            answer.is_denied = body["error"]["code"] == "policy_denied";
            if let (Some(message), false) = (body["error"]["message"].as_str(), answer.is_denied) {
                bail!("the agent refused: {message}");
            }
            answer.first_token = begun.elapsed();
            answer.text = text_of(&body["choices"][0]["message"]["content"]);
            return Ok(answer);
        }
        for line in BufReader::new(body.as_reader()).lines() {
            let line = line.context("the answer broke off")?;
            let Some(data) = line.strip_prefix("data: ") else {
                continue;
            };
            let Ok(chunk) = serde_json::from_str::<Value>(data) else {
                break;
            };
            if let Some(message) = chunk["error"]["message"].as_str() {
                bail!("the answer broke: {message}");
            }
            answer.take(&chunk, begun, &mut show);
        }
        Ok(answer)
    }
}

impl Answer {
    fn take(&mut self, chunk: &Value, begun: Instant, show: &mut impl FnMut(&str)) {
        let piece = text_of(&chunk["choices"][0]["delta"]["content"]);
        if !piece.is_empty() {
            if self.text.is_empty() {
                self.first_token = begun.elapsed();
            }
            show(&piece);
            self.text.push_str(&piece);
        }
        let place = &chunk["tideline"];
        if let Some(placement) = place["placement"].as_str() {
            if self.placements.last().is_none_or(|last| last != placement) {
                self.placements.push(placement.to_owned());
            }
            self.reason = text_of(&place["reason"]);
            self.cost_usd = place["cost_usd"].as_f64().unwrap_or(self.cost_usd);
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
