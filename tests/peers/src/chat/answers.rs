//! The one answer that is ever given, in its two forms.

use serde_json::{Value, json};

/// The answer's text, as it flows. No piece is found in an earlier one.
const PIECES: [&str; 8] = [
    "The tide",
    " turns",
    " at noon",
    " today",
    ",",
    " and again",
    " before",
    " midnight.",
];

/// All of it, with the head of its response.
pub(super) fn whole() -> Vec<u8> {
    let body = json!({
        "id": "chatcmpl-tide",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "assistant",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": PIECES.concat() },
            "finish_reason": "stop",
        }],
        "usage": usage(),
    });
    plain("200 OK", &body.to_string())
}

/// A response with a body of JSON.
pub(super) fn plain(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Its first piece, with the head of its response.
pub(super) fn first() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
    let event = event(&piece(
        &json!({ "role": "assistant", "content": PIECES[0] }),
        None,
    ));
    [head.as_bytes(), &chunk(&event)].concat()
}

/// All that follows the first piece.
pub(super) fn rest() -> Vec<u8> {
    let mut events: String = PIECES[1..]
        .iter()
        .map(|text| event(&piece(&json!({ "content": text }), None)))
        .collect();
    events += &event(&piece(&json!({}), Some("stop")));
    let mut last = piece(&json!({}), None);
    last["choices"] = json!([]);
    last["usage"] = usage();
    events += &event(&last);
    events += "data: [DONE]\n\n";
    [chunk(&events), b"0\r\n\r\n".to_vec()].concat()
}

fn chunk(events: &str) -> Vec<u8> {
    format!("{:x}\r\n{events}\r\n", events.len()).into_bytes()
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn piece(delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-tide",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "assistant",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    })
}

fn usage() -> Value {
    json!({ "prompt_tokens": 24, "completion_tokens": 8, "total_tokens": 32 })
}

/// Whether a body is all of it.
pub(super) fn is_whole(body: &[u8]) -> bool {
    follows(body, &[&PIECES.concat(), "usage"]).is_some()
}

/// Whether a body has begun to tell it.
pub(super) fn has_begun(body: &[u8]) -> bool {
    follows(body, &PIECES[..1]).is_some()
}

/// Whether a body told all of it, piece by piece, to its end.
pub(super) fn is_streamed(body: &[u8]) -> bool {
    let end = follows(body, &PIECES).and_then(|rest| follows(rest.as_bytes(), &["data: [DONE]"]));
    end.is_some_and(|rest| rest.trim().is_empty())
}

/// What stands behind these words, which come one after the other.
fn follows<'b>(body: &'b [u8], words: &[&str]) -> Option<&'b str> {
    let body = std::str::from_utf8(body).ok()?;
    words.iter().try_fold(body, |rest, word| {
        rest.split_once(word).map(|(_, after)| after)
    })
}
