//! Offline is a normal state: what can run here does, the rest gets a clear error at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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

#[tokio::test]
async fn a_stream_whose_gateway_dies_ends_with_an_error_and_never_in_silence() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let call = serde_json::json!({
        "model": "genai", "max_tokens": 4000, "stream": true, "temperature": 0,
        "logit_bias": { "258": -100 },
        "messages": [{ "role": "user", "content": "Tell me of the tide." }],
    });
    let api = agent.api();
    let request = api.post("/v1/chat/completions").json(&call);
    let request = request.header("x-tideline-app", "indexer");
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
    let told = String::from_utf8(told).unwrap();
    let last = told.trim_end().rsplit("\n\n").next().unwrap();
    assert!(
        last.contains("\"error\"") && last.contains("upstream_unavailable"),
        "{last}"
    );
    assert!(!told.contains("[DONE]"));
    // The next one runs here.
    let next = api
        .chat(&[("user", "And now?")], &[("x-tideline-app", "indexer")])
        .await;
    assert_eq!((next.status, next.placement()), (200, "device"));
}
