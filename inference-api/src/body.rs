//! Reads a request's body within its bounds of size and time.
//!
//! Never holds more than the bound. A body that is refused is read on and
//! thrown away for a moment, so that a caller who is still sending gets to see
//! the answer instead of a reset connection.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use http_body::Body as _;

use crate::error::{ErrorKind, InferenceError};

/// How long, and how many bytes of, a refused body is thrown away.
const DISCARD_TIME: Duration = Duration::from_secs(2);
const DISCARD_BYTES: usize = 256 * 1024 * 1024;

/// A body of at most `max_bytes`, there within `time`, as its sender wrote it:
/// compressed ones are refused, since they could unfold beyond any bound.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
    time: Duration,
) -> Result<Bytes, InferenceError> {
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if !matches!(encoding, None | Some(b"identity")) {
        let message = "a compressed body is not taken here: send it without content-encoding";
        return Err(InferenceError::new(ErrorKind::Unsupported, message));
    }
    // What the sender announced is enough to refuse it.
    let announced = body.size_hint().lower();
    let mut chunks = body.into_data_stream();
    if usize::try_from(announced).is_ok_and(|bytes| bytes <= max_bytes) {
        let gathered = tokio::time::timeout(time, gather(&mut chunks, max_bytes)).await;
        match gathered.unwrap_or_else(|_elapsed| Err(Refusal::TooSlow)) {
            Ok(bytes) => return Ok(bytes),
            Err(Refusal::TooLarge) => {}
            Err(Refusal::TooSlow) => {
                let secs = time.as_secs();
                let message = format!("the body did not arrive within {secs} s");
                return Err(InferenceError::new(ErrorKind::RequestTimeout, message));
            }
            Err(Refusal::Broken) => {
                return Err(InferenceError::invalid("the body ended early"));
            }
        }
    }
    tokio::spawn(discard(chunks));
    let message = format!("the body is larger than {max_bytes} bytes, the most taken here");
    Err(InferenceError::new(ErrorKind::RequestTooLarge, message))
}

enum Refusal {
    TooLarge,
    TooSlow,
    Broken,
}

async fn gather(chunks: &mut BodyDataStream, max_bytes: usize) -> Result<Bytes, Refusal> {
    let Some(first) = chunks.next().await else {
        return Ok(Bytes::new());
    };
    let first = first.or(Err(Refusal::Broken))?;
    if first.len() > max_bytes {
        return Err(Refusal::TooLarge);
    }
    let Some(second) = chunks.next().await else {
        return Ok(first);
    };
    let mut all = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        let chunk = chunk.or(Err(Refusal::Broken))?;
        if all.len() + chunk.len() > max_bytes {
            return Err(Refusal::TooLarge);
        }
        all.extend_from_slice(&chunk);
        next = chunks.next().await;
    }
    Ok(all.freeze())
}

async fn discard(mut chunks: BodyDataStream) {
    let read_on = async {
        let mut discarded = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            discarded += chunk.len();
            if discarded > DISCARD_BYTES {
                break;
            }
        }
    };
    // Late is as good as done: either way the rest is not wanted.
    let _done_or_late = tokio::time::timeout(DISCARD_TIME, read_on).await;
}

#[cfg(test)]
mod tests;
