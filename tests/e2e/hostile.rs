//! Bad input gets a clear, typed error in the protocol's own form, and costs nobody else anything.

use reqwest::Body;

use crate::support::api::{Answer, send};
use crate::support::programs::{Agent, Gateway};

async fn still_serves(agent: &Agent) {
    assert_eq!(agent.api().embed("still here", &[]).await.status, 200);
}

fn is_openai_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (status, code),
        "{}",
        answer.body
    );
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty())
    );
}

#[tokio::test]
async fn malformed_bodies_are_refused_by_name_and_never_repeated() {
    let agent = Agent::start(None).await;
    let api = agent.api();
    let post = |body: &'static [u8]| {
        send(
            api.post("/v1/embeddings")
                .header("content-type", "application/json")
                .body(body),
        )
    };
    let planted = post(b"{\"model\": \"minilm\", \"input\": heliotrope").await;
    is_openai_error(&planted, 400, "invalid_request");
    assert!(
        !planted.body.contains("heliotrope"),
        "content stands in no error"
    );
    is_openai_error(
        &post(b"{\"model\": \"minilm\", \"input\": \"\xff\xfe\"}").await,
        400,
        "invalid_request",
    );
    is_openai_error(&post(b"[]").await, 400, "invalid_request");
    is_openai_error(&post(b"").await, 400, "invalid_request");
    is_openai_error(&api.get("/v1/nothing").await, 404, "unknown_url");
    is_openai_error(&api.get("/v1/embeddings").await, 405, "method_not_allowed");
    still_serves(&agent).await;
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_before_it_has_arrived() {
    let agent = Agent::start(None).await;
    let request = agent
        .api()
        .post("/v1/embeddings")
        .header("content-type", "application/json");
    let answer = send(request.body(Body::from(vec![b' '; 100 << 20]))).await;
    // Either the error arrives, or the connection is closed while the client still sends.
    assert!(answer.status == 413 || answer.status == 0, "{answer:?}");
    still_serves(&agent).await;
}

#[tokio::test]
async fn ten_thousand_texts_in_one_call_are_refused() {
    let agent = Agent::start(None).await;
    let body = serde_json::json!({ "model": "minilm", "input": vec!["x"; 10_000] });
    is_openai_error(
        &send(agent.api().post("/v1/embeddings").json(&body)).await,
        400,
        "invalid_request",
    );
    still_serves(&agent).await;
}

#[tokio::test]
async fn tensors_whose_shape_and_bytes_disagree_are_refused() {
    let agent = Agent::start(None).await;
    let api = agent.api();
    let infer = |model: &str, shape: serde_json::Value, data: serde_json::Value| {
        let body = serde_json::json!({ "inputs": [{ "name": "input", "datatype": "FP32", "shape": shape, "data": data }] });
        send(api.post(&format!("/v2/models/{model}/infer")).json(&body))
    };
    for (shape, data) in [
        (serde_json::json!([1, 3]), serde_json::json!([1.0, 2.0])),
        (serde_json::json!([-1, 2]), serde_json::json!([1.0, 2.0])),
        (
            serde_json::json!([9_223_372_036_854_775_807_i64, 9]),
            serde_json::json!([1.0]),
        ),
        (serde_json::json!([1, 1]), serde_json::json!(["text"])),
    ] {
        let answer = infer("echo", shape, data).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(
            answer.json()["error"].is_string(),
            "the protocol's own form"
        );
    }
    assert_eq!(
        infer(
            "nobody",
            serde_json::json!([1, 1]),
            serde_json::json!([1.0])
        )
        .await
        .status,
        404
    );
    assert_eq!(
        infer("echo", serde_json::json!([1, 1]), serde_json::json!([1.0]))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_local_api_serves_only_this_machine_s_users() {
    let agent = Agent::start(None).await;
    let client = crate::support::api::client();
    let url = format!("http://{}/v1/models", agent.http);
    assert_eq!(
        send(client.get(&url)).await.status,
        401,
        "without the token"
    );
    assert_eq!(
        send(client.get(&url).bearer_auth("x".repeat(64)))
            .await
            .status,
        401,
        "with another"
    );
    let foreign = |name: &'static str, value: &'static str| {
        send(
            client
                .get(&url)
                .bearer_auth(agent.token())
                .header(name, value),
        )
    };
    assert_eq!(
        foreign("host", "evil.example").await.status,
        403,
        "DNS rebinding"
    );
    assert_eq!(
        foreign("origin", "https://evil.example").await.status,
        403,
        "a page of somebody else"
    );
    assert_eq!(
        send(client.get(format!("http://{}/healthz", agent.http)))
            .await
            .status,
        200
    );
    let socket = agent.folder.path().join("agent.sock");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "the socket is its owner's");
    let token = std::fs::metadata(agent.folder.path().join("state/token"))
        .unwrap()
        .permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&token) & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_client_that_never_reads_costs_nobody_else_anything() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let api = agent.api();
    let long = serde_json::json!({
        "model": "genai", "max_tokens": 1500, "stream": true, "temperature": 0,
        "logit_bias": { "258": -100 },
        "messages": [{ "role": "user", "content": "Tell me of the tide." }],
    });
    let mut unread = Vec::new();
    for app in ["chat", "indexer"].repeat(4) {
        let request = api.post("/v1/chat/completions").json(&long);
        unread.push(request.header("x-tideline-app", app).send().await.unwrap());
    }
    for _ in 0..5 {
        let others = api.chat(&[("user", "And now?")], &[]).await;
        assert_eq!(others.status, 200, "{others:?}");
    }
    // They go away without having read: each is told of as that.
    drop(unread);
    let outcomes = gateway.outcomes(13).await;
    let ended = |how: &str| outcomes.iter().filter(|one| one["ending"] == how).count();
    assert!(ended("completed") >= 5, "{outcomes:?}");
    assert_eq!(ended("completed") + ended("abandoned"), 13, "{outcomes:?}");
}
