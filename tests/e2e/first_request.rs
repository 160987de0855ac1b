//! Requests that are placed for real, here and there, each with its reason.

use crate::support::api::send;
use crate::support::programs::{Agent, Gateway};

#[tokio::test]
async fn requests_run_where_the_policy_says_and_every_decision_can_be_explained() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let api = agent.api();

    let stays = api.embed("My card is 4111 1111 1111 1111", &[]).await;
    assert_eq!((stays.status, stays.placement()), (200, "device"));
    assert_eq!(
        stays.header("x-tideline-reason"),
        "device: rule regulated-data-stays, request.labels = [pii.credit_card]"
    );
    assert_eq!(stays.header("x-tideline-provider"), "CPUExecutionProvider");
    assert_eq!(stays.header("x-tideline-cost-usd"), "0");

    let leaves = api
        .embed(
            "the tide comes in",
            &[("x-tideline-app", "indexer"), ("x-tideline-debug", "true")],
        )
        .await;
    assert_eq!((leaves.status, leaves.placement()), (200, "cloud"));
    assert_ne!(leaves.header("x-tideline-cost-usd"), "");
    let debug: serde_json::Value = serde_json::from_str(leaves.header("x-tideline-debug")).unwrap();
    assert_eq!(
        debug["decision"]["matched"][0]["name"],
        "bulk-work-elsewhere"
    );

    // What the demo reads of it.
    let chosen = debug["decision"]["order"][0].as_u64().unwrap();
    let chosen = &debug["decision"]["table"][usize::try_from(chosen).unwrap()];
    assert!(chosen["prediction"]["latency"].is_number(), "{debug:#}");
    assert_eq!(chosen["site"]["boundary"], "cloud");

    let denied = api
        .embed(
            "write to jo@example.com",
            &[("x-tideline-mode", "only-in-cloud")],
        )
        .await;
    assert_eq!(
        (denied.status, denied.error_code().as_str()),
        (403, "policy_denied")
    );

    let outcomes = gateway.outcomes(3).await;
    assert_eq!(outcomes.len(), 3);
    let id = leaves.header("x-tideline-decision-id");
    let explained = gateway.ask(&["explain", id]).await;
    assert_eq!(
        explained["decision"]["reason"],
        leaves.header("x-tideline-reason")
    );
    assert_eq!(explained["decision"]["table"].as_array().unwrap().len(), 2);
    assert_eq!(explained["ending"], "completed");
    let otherwise = explained["counterfactuals"][0].as_str().unwrap();
    assert!(otherwise.starts_with("device minilm"), "{otherwise}");
    assert!(otherwise.contains(" would serve if "), "{otherwise}");

    let devices = gateway.ask(&["devices", "list"]).await;
    let variant = &devices[0]["state"]["models"];
    let minilm = variant
        .as_array()
        .unwrap()
        .iter()
        .find(|model| model["name"] == "minilm")
        .unwrap();
    assert_eq!(minilm["variants"][0]["providerServing"], "cpu");
    assert_ne!(minilm["variants"][0]["providerReason"], "");
    let served = gateway.ask(&["served"]).await;
    assert_eq!(
        (
            served[0]["requests"].as_u64(),
            served[0]["boundary"].as_str()
        ),
        (Some(1), Some("cloud"))
    );
}

#[tokio::test]
async fn the_published_similarity_comes_out_of_the_public_api() {
    let agent = Agent::start(None).await;
    let input = ["A man is eating food.", "A man is eating a piece of bread."];
    let body = serde_json::json!({ "model": "auto", "input": input });
    let answer = send(agent.api().post("/v1/embeddings").json(&body))
        .await
        .json();
    let vector = |at: usize| -> Vec<f64> {
        answer["data"][at]["embedding"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap())
            .collect()
    };
    let likeness: f64 = vector(0).iter().zip(vector(1)).map(|(a, b)| a * b).sum();
    // The int8 build of the model: 0.755 in full precision.
    assert!((likeness - 0.755).abs() < 0.03, "{likeness}");
    assert_eq!(answer["model"], "minilm", "what served, not what was asked");
}

#[tokio::test]
async fn thin_clients_get_the_same_protocol_and_the_gateway_s_policy() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let served = api.embed("the tide comes in", &[]).await;
    assert_eq!((served.status, served.placement()), (200, "cloud"));
    let denied = api.embed("write to jo@example.com", &[]).await;
    assert_eq!(
        (denied.status, denied.error_code().as_str()),
        (403, "policy_denied")
    );
    assert_eq!(
        gateway.api().get("/v1/models/minilm").await.json()["id"],
        "minilm"
    );
}
