//! Offline is a normal state: what can run here does, the rest gets a clear error at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::api::send;
use crate::support::programs::{Agent, Gateway};

#[tokio::test]
async fn the_device_serves_without_its_gateway_and_outcomes_arrive_once_when_it_is_back() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let api = agent.api();
    assert_eq!(
        api.embed("one", &[("x-tideline-app", "indexer")])
            .await
            .placement(),
        "cloud"
    );
    gateway.outcomes(1).await;

    let (grpc, folder) = (gateway.grpc.to_string(), gateway.folder);
    gateway.process.kill().await;

    let rather_there = api.embed("two", &[("x-tideline-app", "indexer")]).await;
    assert_eq!(
        (rather_there.status, rather_there.placement()),
        (200, "device")
    );
    let asked = Instant::now();
    let only_there = api
        .embed("three", &[("x-tideline-mode", "only-in-cloud")])
        .await;
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "at once: {:?}",
        asked.elapsed()
    );
    assert_eq!(only_there.status, 503, "{only_there:?}");
    assert!(
        ["no_eligible_route", "upstream_unavailable"].contains(&only_there.error_code().as_str()),
        "{only_there:?}"
    );
    for number in 0..20 {
        assert_eq!(api.embed(&format!("text {number}"), &[]).await.status, 200);
    }

    let gateway = Gateway::start_in(folder, &grpc).await;
    let outcomes = gateway.outcomes(23).await;
    let numbers: BTreeSet<_> = outcomes
        .iter()
        .map(|outcome| outcome["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(
        (outcomes.len(), numbers),
        (23, (1..=23).collect()),
        "each once, none lost"
    );
    agent.attached().await;
    assert_eq!(
        api.embed("again", &[("x-tideline-app", "indexer")])
            .await
            .placement(),
        "cloud"
    );

    let expected = [
        "the gateway is away",
        "a placement failed",
        "could not be delivered",
    ];
    assert_eq!(agent.process.log.surprises(&expected), [""; 0]);
}

/// A long answer of the decoder, streamed.
fn long_answer() -> Value {
    json!({
        "model": "genai", "max_tokens": 1500, "stream": true, "temperature": 0,
        "stream_options": { "include_usage": true }, "logit_bias": { "258": -100 },
        "messages": [{ "role": "user", "content": "Tell me of the tide." }],
    })
}

/// The events of a stream that was read to its end.
fn events(told: &str) -> Vec<Value> {
    let data = told.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

fn text(events: &[Value]) -> String {
    let deltas = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    deltas.collect()
}

/// An answer from the gateway, which is killed in its midst; all that came of it.
async fn broken(fallback: &str) -> (String, Agent) {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let request = agent
        .api()
        .post("/v1/chat/completions")
        .json(&long_answer());
    let request = request
        .header("x-tideline-app", "indexer")
        .header("x-tideline-fallback", fallback);
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-tideline-placement"], "cloud");
    let mut told = Vec::new();
    while told.len() < 4000 {
        told.extend_from_slice(&answer.chunk().await.unwrap().unwrap());
    }
    gateway.process.kill().await;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        told.extend_from_slice(&chunk);
    }
    (String::from_utf8(told).unwrap(), agent)
}

#[tokio::test]
async fn an_answer_whose_gateway_dies_goes_on_here_from_exactly_there() {
    let (told, agent) = broken("same-model").await;
    assert!(told.trim_end().ends_with("data: [DONE]"), "{told}");
    let broken = events(&told);
    // The device alone says the same, with the same weights.
    let alone = send(
        agent
            .api()
            .post("/v1/chat/completions")
            .json(&long_answer()),
    )
    .await;
    let alone = events(&alone.body);
    assert_eq!(text(&broken), text(&alone));
    let (last, other) = (broken.last().unwrap(), alone.last().unwrap());
    assert_eq!(last["usage"]["completion_tokens"], 1500);
    assert_eq!(
        last["usage"]["prompt_tokens"],
        other["usage"]["prompt_tokens"]
    );
    assert_eq!(last["tideline"]["placement"], "device");
    let reason = last["tideline"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("device: goes on after "), "{reason}");
    assert_eq!(broken[0]["tideline"]["placement"], "cloud");
    assert_eq!(
        broken[0]["tideline"]["decision_id"],
        last["tideline"]["decision_id"]
    );
}

#[tokio::test]
async fn an_answer_that_may_not_go_on_elsewhere_ends_with_an_error_and_never_in_silence() {
    let (told, agent) = broken("none").await;
    let last = told.trim_end().rsplit("\n\n").next().unwrap();
    assert!(
        last.contains("\"error\"") && last.contains("upstream_unavailable"),
        "{last}"
    );
    assert!(!told.contains("[DONE]"));
    // The next one runs here.
    let next = agent
        .api()
        .chat(&[("user", "And now?")], &[("x-tideline-app", "indexer")])
        .await;
    assert_eq!((next.status, next.placement()), (200, "device"));
}
