//! Tests of responses as their clients see them.

use serde_json::{Value, json};

use super::call::parse;
use crate::openai::router;
use crate::testing::{call, front, post};

async fn ask(body: &Value) -> crate::testing::Reply {
    call(router(front()), post("/v1/responses", body.to_string())).await
}

fn events(reply: &crate::testing::Reply) -> Vec<Value> {
    let text = std::str::from_utf8(&reply.body).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[tokio::test]
async fn a_response_comes_whole_and_as_events() {
    let mut body = json!({ "model": "echo", "instructions": "Be kind.", "input": "once more" });
    let whole = ask(&body).await.json();
    assert_eq!(
        (&whole["object"], &whole["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(whole["output"][0]["content"][0]["text"], "once more");
    assert_eq!(whole["usage"]["total_tokens"], 12);
    body["stream"] = true.into();
    let told = events(&ask(&body).await);
    let kinds: Vec<&str> = told
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let numbers: Vec<u64> = told
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert_eq!(
        told[9]["response"]["output"][0]["content"][0]["text"],
        "once more"
    );
}

#[tokio::test]
async fn functions_are_called_and_answered() {
    let tool = json!({ "type": "function", "name": "add", "parameters": { "type": "object" } });
    let mut body =
        json!({ "model": "calls", "input": "1 and 1", "tools": [tool], "tool_choice": "required" });
    let whole = ask(&body).await.json();
    assert_eq!(whole["output"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &whole["output"][0]["name"],
            &whole["output"][0]["arguments"]
        ),
        (&json!("add"), &json!("{\"a\":1}"))
    );
    body["stream"] = true.into();
    let told = events(&ask(&body).await);
    let last = told.last().unwrap();
    assert_eq!(last["response"]["output"][0]["arguments"], "{\"a\":1}");
    let parsed = parse(
        json!({ "model": "m", "input": [
        { "role": "user", "content": [{ "type": "input_text", "text": "1 and 1" }] },
        { "type": "function_call", "call_id": "c", "name": "add", "arguments": "{}" },
        { "type": "function_call_output", "call_id": "c", "output": "2" },
    ] })
        .to_string()
        .as_bytes(),
    )
    .unwrap();
    let roles: Vec<&str> = parsed
        .task
        .messages
        .iter()
        .map(|message| message.role.name())
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool"]);
}

#[tokio::test]
async fn what_fails_in_the_middle_ends_with_an_error() {
    let told =
        events(&ask(&json!({ "model": "breaks", "input": "one two three", "stream": true })).await);
    assert_eq!(told.last().unwrap()["type"], "error");
    assert_eq!(told.last().unwrap()["code"], "upstream_unavailable");
}

#[test]
fn what_is_not_done_here_is_refused_by_name() {
    for (param, value) in [
        ("previous_response_id", json!("r")),
        ("conversation", json!("c")),
        ("background", json!(true)),
        ("input", json!([{ "type": "image_generation_call" }])),
        (
            "input",
            json!([{ "role": "user", "content": [{ "type": "input_image" }] }]),
        ),
        ("input", json!([{ "role": "nobody", "content": "x" }])),
        ("tools", json!([{ "type": "web_search" }])),
        ("tool_choice", json!("required")),
        ("text", json!({ "format": { "type": "json_schema" } })),
        ("max_output_tokens", json!(0)),
        ("whatever", json!(1)),
    ] {
        let mut body = json!({ "model": "m", "input": "x" });
        body[param] = value;
        let error = parse(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.param(), Some(param), "{}", error.message());
    }
}
