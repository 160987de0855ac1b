//! Tideline's headers: the terms that a request brings, and what its answer
//! says about where it ran. The same over HTTP and gRPC.
//!
//! A header that is there but not understood is refused: read as unstated, it
//! might let content go further than its sender meant.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use tokio::time::Instant;

use crate::boundary::Boundary;
use crate::context::{AppName, Caller, Context};
use crate::error::InferenceError;
use crate::stream::{Answer, Explanation, Served};

const APP: &str = "x-tideline-app";
const BOUNDARY: &str = "x-tideline-boundary";
const FALLBACK: &str = "x-tideline-fallback";
const MODE: &str = "x-tideline-mode";
const TIMEOUT_MS: &str = "x-tideline-timeout-ms";
const GRPC_TIMEOUT: &str = "grpc-timeout";

const SCHEMA_VERSION: HeaderName = HeaderName::from_static("x-tideline-schema-version");
const PLACEMENT: HeaderName = HeaderName::from_static("x-tideline-placement");
const MODEL: HeaderName = HeaderName::from_static("x-tideline-model");
const PROVIDER: HeaderName = HeaderName::from_static("x-tideline-provider");
const DECISION_ID: HeaderName = HeaderName::from_static("x-tideline-decision-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REASON: HeaderName = HeaderName::from_static("x-tideline-reason");
const POLICY: HeaderName = HeaderName::from_static("x-tideline-policy");
const COST_USD: HeaderName = HeaderName::from_static("x-tideline-cost-usd");
const DEBUG: HeaderName = HeaderName::from_static("x-tideline-debug");

/// Longest value of a header of ours; clients bound what they read.
const MAX_VALUE_BYTES: usize = 512;
/// Longest decision that still fits a header.
const MAX_DEBUG_BYTES: usize = 8 * 1024;

/// Reads the terms of a request that has `most` time at best.
pub(crate) fn context(headers: &HeaderMap, most: Duration) -> Result<Context, InferenceError> {
    let mut context = Context::new(Instant::now() + timeout(headers, most)?);
    context.caller = Caller {
        app: app(headers)?,
        user: None,
    };
    context.mode = named(headers, MODE)?;
    context.boundary = named(headers, BOUNDARY)?.unwrap_or(Boundary::Cloud);
    context.fallback = named(headers, FALLBACK)?.unwrap_or_default();
    context.wants_debug = headers
        .get(DEBUG)
        .is_some_and(|value| value.as_bytes() == b"true");
    Ok(context)
}

fn app(headers: &HeaderMap) -> Result<Option<AppName>, InferenceError> {
    if let Some(text) = text(headers, APP)? {
        let app = AppName::new(text);
        let app = app.ok_or_else(|| refused(APP, "1 to 64 letters, digits, `.`, `_` or `-`"))?;
        return Ok(Some(app));
    }
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    Ok(agent.and_then(AppName::from_user_agent))
}

fn timeout(headers: &HeaderMap, most: Duration) -> Result<Duration, InferenceError> {
    let asked = match text(headers, TIMEOUT_MS)? {
        Some(ms) => Duration::from_millis(
            ms.parse()
                .or(Err(refused(TIMEOUT_MS, "a whole number of milliseconds")))?,
        ),
        None => most,
    };
    let told = match text(headers, GRPC_TIMEOUT)? {
        Some(text) => grpc_timeout(text)
            .ok_or_else(|| refused(GRPC_TIMEOUT, "up to 8 digits and one of H, M, S, m, u, n"))?,
        None => most,
    };
    Ok(most.min(asked).min(told))
}

/// `grpc-timeout` as the gRPC protocol over HTTP/2 spells it.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

fn named<T: FromStr<Err: Display>>(
    headers: &HeaderMap,
    name: &'static str,
) -> Result<Option<T>, InferenceError> {
    let parse = |text: &str| text.parse().map_err(|unknown| refused(name, unknown));
    text(headers, name)?.map(parse).transpose()
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, InferenceError> {
    let text = |value: &'a HeaderValue| value.to_str().or(Err(refused(name, "visible ASCII")));
    headers.get(name).map(text).transpose()
}

fn refused(name: &'static str, expected: impl Display) -> InferenceError {
    let expected = expected.to_string();
    let expected = expected.strip_prefix("expected ").unwrap_or(&expected);
    InferenceError::invalid(format!("header {name}: expected {expected}")).with_param(name)
}

/// Writes what an answer says about where it ran.
pub(crate) fn write_answer(headers: &mut HeaderMap, answer: &Answer) {
    let cost_usd = answer.usage.cost_usd.or(answer.served.cost_usd);
    write_served(headers, &answer.served, cost_usd);
}

pub(crate) fn write_served(headers: &mut HeaderMap, served: &Served, cost_usd: Option<f64>) {
    headers.reserve(11);
    headers.insert(SCHEMA_VERSION, HeaderValue::from_static("1"));
    let placement = HeaderValue::from_static(served.placement.name());
    headers.insert(PLACEMENT, placement);
    write(headers, MODEL, served.model.as_str());
    if let Some(provider) = &served.provider {
        write(headers, PROVIDER, provider);
    }
    if let Some(cost_usd) = cost_usd.filter(|cost| cost.is_finite()) {
        write(headers, COST_USD, &cost_usd.to_string());
    }
    if let Some(explanation) = &served.explanation {
        write_explanation(headers, explanation);
    }
}

/// Writes what an error says about the decision that led to it, and when
/// another attempt may go better.
pub(crate) fn write_error(headers: &mut HeaderMap, error: &InferenceError) {
    headers.insert(SCHEMA_VERSION, HeaderValue::from_static("1"));
    if let Some(after) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if let Some(explanation) = error.explanation() {
        write_explanation(headers, explanation);
    }
}

fn write_explanation(headers: &mut HeaderMap, explanation: &Explanation) {
    write(headers, DECISION_ID, &explanation.decision_id);
    // By that name OpenAI's clients show it, in their errors too.
    write(headers, REQUEST_ID, &explanation.decision_id);
    write(headers, REASON, &explanation.reason);
    if let Some(policy) = &explanation.policy {
        write(headers, POLICY, policy);
    }
    if let Some(decision) = &explanation.debug {
        let text = escape_non_ascii(&decision.to_string());
        let fits = text.len() <= MAX_DEBUG_BYTES;
        let value = HeaderValue::from_str(if fits {
            &text
        } else {
            r#"{"error":"too long for a header: look it up by its id"}"#
        });
        headers.extend(value.ok().map(|value| (DEBUG, value)));
    }
}

/// Writes `text`, cut to a header's length, with what a header cannot hold
/// replaced.
fn write(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let fits = text.len() <= MAX_VALUE_BYTES && text.bytes().all(visible);
    let value = if fits {
        HeaderValue::from_str(text)
    } else {
        let plain = |c: char| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                '?'
            }
        };
        let cut: String = text.chars().take(MAX_VALUE_BYTES).map(plain).collect();
        HeaderValue::from_str(&cut)
    };
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}

/// JSON with everything beyond ASCII as `\u` escapes.
fn escape_non_ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
