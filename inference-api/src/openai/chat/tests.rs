//! Tests of chats and completions as their clients see them.

use axum::body::Body;
use futures::StreamExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::call::parse;
use crate::openai::router;
use crate::testing::{Reply, call, front, post};

const CHAT: &str = "/v1/chat/completions";

async fn ask(path: &str, body: &Value) -> Reply {
    call(router(front()), post(path, body.to_string())).await
}

fn hello(more: Value) -> Value {
    let mut body =
        json!({ "model": "echo", "messages": [{ "role": "user", "content": "héllo to you" }] });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

/// The data of every event, and what stands after them.
fn events(reply: &Reply) -> (Vec<Value>, bool) {
    let text = std::str::from_utf8(&reply.body).unwrap();
    let mut data: Vec<&str> = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| event.strip_prefix("data: ").unwrap())
        .collect();
    let is_done = data.last() == Some(&"[DONE]");
    if is_done {
        data.pop();
    }
    let parsed = data
        .into_iter()
        .map(|data| serde_json::from_str(data).unwrap());
    (parsed.collect(), is_done)
}

#[tokio::test]
async fn a_chat_has_openais_shape() {
    let reply = ask(CHAT, &hello(json!({ "n": 2 }))).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("x-tideline-placement")),
        (200, Some("device"))
    );
    let body = reply.json();
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(
        (&body["object"], &body["model"]),
        (&json!("chat.completion"), &json!("echo"))
    );
    let message = json!({ "role": "assistant", "content": "héllo to you", "refusal": null });
    for index in 0..2 {
        let choice = json!({ "index": index, "message": message, "logprobs": null, "finish_reason": "stop" });
        assert_eq!(body["choices"][index], choice);
    }
    let usage = json!({
        "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12,
        "prompt_tokens_details": { "cached_tokens": 2 },
    });
    assert_eq!(body["usage"], usage);
}

#[tokio::test]
async fn a_chat_comes_in_pieces() {
    let options = json!({ "stream": true, "stream_options": { "include_usage": true }, "logprobs": true, "top_logprobs": 1 });
    let reply = ask(CHAT, &hello(options)).await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(reply.header("x-tideline-placement"), Some("device"));
    let (events, is_done) = events(&reply);
    assert!(is_done);
    let delta = |index: usize| &events[index]["choices"][0]["delta"];
    assert_eq!(*delta(0), json!({ "role": "assistant", "content": "" }));
    assert_eq!(*delta(1), json!({ "content": "héllo " }));
    let token = &events[1]["choices"][0]["logprobs"]["content"][0];
    assert_eq!(token["token"], "héllo ");
    assert_eq!(token["top_logprobs"][0]["token"], "other");
    assert_eq!(
        (delta(4), &events[4]["choices"][0]["finish_reason"]),
        (&json!({}), &json!("stop"))
    );
    assert_eq!(events[5]["choices"], json!([]));
    assert_eq!(events[5]["usage"]["total_tokens"], 12);
    assert!(
        events[..5]
            .iter()
            .all(|event| event["usage"].is_null() && event["object"] == "chat.completion.chunk")
    );
}

#[tokio::test]
async fn tools_are_called_whole_and_in_pieces() {
    let tools = json!([{ "type": "function", "function": { "name": "add", "parameters": {} } }]);
    let mut body = hello(json!({ "tools": tools }));
    body["model"] = "calls".into();
    let choice = &ask(CHAT, &body).await.json()["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &json!(null))
    );
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "add", "arguments": "{\"a\":1}" } });
    assert_eq!(choice["message"]["tool_calls"], json!([call]));
    body["stream"] = true.into();
    let (events, _) = events(&ask(CHAT, &body).await);
    let piece = |index: usize| &events[index]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(
        (&piece(1)["id"], &piece(1)["function"]["name"]),
        (&json!("call_1"), &json!("add"))
    );
    assert_eq!(
        *piece(2),
        json!({ "index": 0, "function": { "arguments": "1}" } })
    );
}

#[tokio::test]
async fn what_fails_in_the_middle_ends_with_an_error_and_nothing_after_it() {
    let mut body = hello(json!({ "stream": true }));
    body["model"] = "breaks".into();
    let reply = ask(CHAT, &body).await;
    assert_eq!(reply.status, 200);
    let (events, is_done) = events(&reply);
    assert!(!is_done);
    assert_eq!(
        events.last().unwrap()["error"]["code"],
        "upstream_unavailable"
    );
    // What fails before the first piece is an error of its own.
    body["model"] = "missing".into();
    assert_eq!(ask(CHAT, &body).await.status, 404);
    // Whole, there is no half of an answer.
    let mut whole = hello(json!({}));
    whole["model"] = "breaks".into();
    assert_eq!(ask(CHAT, &whole).await.status, 502);
}

#[tokio::test]
async fn a_stream_is_read_only_as_fast_as_its_reader() {
    let many = "word ".repeat(20_000);
    let body = json!({ "model": "echo", "stream": true, "messages": [{ "role": "user", "content": many }] });
    let response = router(front())
        .oneshot(post(CHAT, body.to_string()))
        .await
        .unwrap();
    let mut data = response.into_body().into_data_stream();
    let mut pieces = 0;
    while let Some(piece) = data.next().await {
        assert!(piece.unwrap().len() < 32 << 10);
        pieces += 1;
    }
    assert!(pieces > 50, "{pieces}");
}

#[tokio::test]
async fn a_text_goes_on() {
    let body = json!({ "model": "echo", "prompt": "once more" });
    let whole = ask("/v1/completions", &body).await.json();
    assert_eq!(
        (&whole["object"], &whole["choices"][0]["text"]),
        (&json!("text_completion"), &json!("once more"))
    );
    let mut streamed = body.clone();
    streamed["stream"] = true.into();
    let (events, is_done) = events(&ask("/v1/completions", &streamed).await);
    let text: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["text"].as_str())
        .collect();
    assert_eq!((text.as_str(), is_done), ("once more", true));
    for (param, value) in [
        ("echo", json!(true)),
        ("suffix", json!("x")),
        ("best_of", json!(2)),
        ("prompt", json!(["a", "b"])),
    ] {
        let mut body = body.clone();
        body[param] = value;
        let refused = ask("/v1/completions", &body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["error"]["param"]),
            (400, &json!(param))
        );
    }
}

fn check_refused(more: Value, param: &str) {
    let error = parse(hello(more.clone()).to_string().as_bytes()).unwrap_err();
    assert_eq!(error.param(), Some(param), "{more}: {}", error.message());
    assert_eq!(error.kind().http().as_u16(), 400, "{more}");
    assert!(!error.message().contains("secret"), "{}", error.message());
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (param, values) in [
        ("temperature", json!([-0.1, 2.1, "hot", [1]])),
        ("top_p", json!([0, 1.5])),
        ("min_p", json!([2])),
        ("frequency_penalty", json!([3])),
        ("presence_penalty", json!([-3])),
        ("max_tokens", json!([0, -1, 1.5])),
        ("max_completion_tokens", json!([0])),
        ("n", json!([0, 17, 300])),
        ("seed", json!(["secret"])),
        (
            "stop",
            json!([[""], "", vec!["x"; 17], "x".repeat(2000), 1]),
        ),
        (
            "logit_bias",
            json!([{ "secret": 1 }, { "secret": "secret" }, { "1": 101 }]),
        ),
        ("top_logprobs", json!([3, 21])),
        (
            "messages",
            json!([[], "secret", [{ "role": "secret", "content": "x" }], [{ "content": "x" }],
            [{ "role": "user", "content": [{ "type": "image_url" }] }], [{ "role": "user", "content": { "secret": 1 } }]]),
        ),
        (
            "tools",
            json!([[{ "type": "function" }], [{ "type": "function", "function": { "name": "no spaces" } }]]),
        ),
        (
            "tool_choice",
            json!(["secret", "required", { "type": "function", "function": { "name": "secret" } }]),
        ),
        (
            "response_format",
            json!([{ "type": "secret" }, { "type": "json_schema" }, "json"]),
        ),
        ("functions", json!([[]])),
        ("audio", json!([{}])),
        ("modalities", json!([["audio"]])),
        ("user", json!([1])),
        ("stream", json!(["yes"])),
    ] {
        for value in values.as_array().unwrap() {
            check_refused(json!({ param: value }), param);
        }
    }
    check_refused(
        json!({ "max_tokens": 5, "max_completion_tokens": 6 }),
        "max_completion_tokens",
    );
    let many: Vec<Value> = (0..4097)
        .map(|_| json!({ "role": "user", "content": "x" }))
        .collect();
    check_refused(json!({ "messages": many }), "messages");
}

#[test]
fn what_changes_nothing_is_let_pass_and_forms_are_joined() {
    let call = parse(
        json!({
            "model": "auto", "store": true, "metadata": {}, "user": "u", "parallel_tool_calls": false, "audio": null,
            "seed": -1, "stop": "x", "max_completion_tokens": 9, "logit_bias": { "5": -100 },
            "tools": [{ "type": "function", "function": { "name": "f" } }],
            "tool_choice": { "type": "function", "function": { "name": "f" } },
            "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": { "type": "object" } } },
            "messages": [
                { "role": "developer", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
                { "role": "assistant", "content": null, "tool_calls": [{ "id": "1", "type": "function", "function": { "name": "f", "arguments": "{}" } }] },
                { "role": "tool", "tool_call_id": "1", "content": "c" },
            ],
        })
        .to_string()
        .as_bytes(),
    )
    .unwrap();
    let said: Vec<_> = call
        .task
        .messages
        .iter()
        .map(|message| (message.role.name(), message.content.as_str()))
        .collect();
    assert_eq!(said, [("system", "ab"), ("assistant", ""), ("tool", "c")]);
    assert_eq!(call.task.messages[1].tool_calls[0].name, "f");
    assert_eq!(call.task.sampling.seed, Some(u64::MAX));
    assert_eq!(
        (call.task.sampling.max_tokens, call.task.sampling.stop.len()),
        (Some(9), 1)
    );
}

#[tokio::test]
async fn bodies_that_are_not_json_are_told_so() {
    for body in ["", "[]", "{", "null", "{\"model\":}"] {
        let reply = call(router(front()), post(CHAT, Body::from(body))).await;
        assert_eq!(reply.status, 400, "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_breaks_the_reader_or_is_repeated(
        key in "(model|messages|tools|stop|n|seed|response_format|[a-z]{1,8})",
        value in "(\\[|\\{|\"|:|,|1|SECRET|null|true|\\]|\\}){0,24}",
    ) {
        let body = format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"SECRET\"}}],\"{key}\":{value}}}");
        if let Err(error) = parse(body.as_bytes()) {
            prop_assert!(!error.message().contains("SECRET"), "{}", error.message());
        }
    }
}
