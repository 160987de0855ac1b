//! Clients that others wrote: OpenAI's, Triton's, and gRPC's own health and reflection.

use crate::support::programs::{Agent, Gateway};
use crate::support::python::client;

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
