//! Clients that others wrote: OpenAI's for Python and Node, LangChain's, Triton's, and gRPC's own health and reflection.

use serde_json::Value;

use crate::support::programs::{Agent, Gateway, until};
use crate::support::scripts::{client, node_client};

#[tokio::test]
async fn the_openai_client_works_unchanged() {
    let agent = Agent::start(None).await;
    client(
        "openai_embeddings.py",
        &[&format!("http://{}/v1", agent.http), &agent.token()],
    )
    .await;
}

#[tokio::test]
async fn the_openai_client_chats_here_and_through_the_gateway() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let url = format!("http://{}/v1", agent.http);
    client("openai_chat.py", &[&url, &agent.token()]).await;
    // What left was text of a request that may, and nothing else.
    let served = gateway.ask(&["served"]).await;
    let chats = served.as_array().unwrap().iter();
    let of_decoder: u64 = chats
        .filter(|one| one["model"] == "genai")
        .filter_map(|one| one["requests"].as_u64())
        .sum();
    assert_eq!(of_decoder, 9, "{served}");
}

#[tokio::test]
async fn langchain_works_unchanged() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let url = format!("http://{}/v1", agent.http);
    client("langchain_chat.py", &[&url, &agent.token()]).await;
}

#[tokio::test]
async fn the_node_client_works_unchanged() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let url = format!("http://{}/v1", agent.http);
    node_client("openai_chat.mjs", &[&url, &agent.token()]).await;
    // Two streams were let go here, two elsewhere, and a whole answer while it was made: all of it ended then.
    let mut let_go = until("the outcomes of what was let go", async || {
        let mut outcomes = gateway.outcomes(1).await;
        outcomes.retain(|one| one["ending"] == "abandoned");
        let sites: Vec<_> = outcomes.iter().map(site).collect();
        (sites.len() >= 5).then_some(sites)
    })
    .await;
    let_go.sort();
    assert_eq!(let_go, ["cloud", "cloud", "device", "device", "device"]);
}

#[tokio::test]
async fn the_triton_clients_work_over_grpc_and_http() {
    let agent = Agent::start(None).await;
    let (grpc, http, token) = (
        agent.grpc.to_string(),
        agent.http.to_string(),
        agent.token(),
    );
    client("triton_infer.py", &["grpc", &grpc, &token]).await;
    client("triton_infer.py", &["http", &http, &token]).await;
}

#[tokio::test]
async fn grpc_health_and_reflection_answer_on_both_programs() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(None).await;
    client(
        "health_and_reflection.py",
        &[
            &agent.grpc.to_string(),
            &agent.token(),
            "inference.GRPCInferenceService",
        ],
    )
    .await;
    client(
        "health_and_reflection.py",
        &[
            &gateway.grpc.to_string(),
            "-",
            "tideline.fleet.v1.FleetService",
        ],
    )
    .await;
}

/// Where the decision of an outcome placed its request.
fn site(outcome: &Value) -> String {
    let decision = &outcome["decision"];
    let chosen = decision["chosen"].as_u64().unwrap();
    let candidate = &decision["table"][usize::try_from(chosen).unwrap()];
    candidate["placement"].as_str().unwrap().to_owned()
}
