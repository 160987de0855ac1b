//! How it ends: announced, drained, and in time. What it says of itself until then.

use std::time::Instant;

use tideline_proto::tideline::fleet::v1 as fleet;
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use fleet::agent_message::Message as Says;
use fleet::gateway_message::Message as Hears;

use super::running::{Attached, LONG, Running};

const FLEET: &str = "tideline.fleet.v1.FleetService";

#[tokio::test]
async fn health_and_reflection_answer_anybody() {
    let running = Running::start().await;
    let mut health = HealthClient::new(running.channel());
    for service in ["", FLEET, "inference.GRPCInferenceService"] {
        let asked = health.check(HealthCheckRequest {
            service: service.into(),
        });
        let answer = asked.await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(running.channel());
    let call = reflection.server_reflection_info(tokio_stream::once(question));
    let answer = call.await.unwrap().into_inner().message().await;
    let Some(MessageResponse::ListServicesResponse(list)) =
        answer.unwrap().unwrap().message_response
    else {
        panic!("reflection lists services")
    };
    let names: Vec<_> = list.service.iter().map(|one| one.name.as_str()).collect();
    for name in [
        FLEET,
        "tideline.admin.v1.AdminService",
        "tideline.inference.v1.InferenceService",
        "tideline.telemetry.v1.TelemetryService",
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn a_stop_is_told_to_health_and_agents_and_is_over_when_they_have_left() {
    let running = Running::start().await;
    let mut agent = Attached::greet(&running, "laptop-1").await;
    agent.settled().await;
    let mut health = HealthClient::new(running.channel());
    let watched = health.watch(HealthCheckRequest {
        service: FLEET.into(),
    });
    let mut watched = watched.await.unwrap().into_inner();
    let now = watched.message().await.unwrap().unwrap();
    assert_eq!(now.status(), ServingStatus::Serving);

    running.stop.cancel();
    let then = watched.message().await.unwrap().unwrap();
    assert_eq!(then.status(), ServingStatus::NotServing);
    drop((watched, health));
    let heard = agent.hear().await;
    let Some(Hears::Drain(drain)) = heard else {
        panic!("agents are asked to move, not told {heard:?}")
    };
    assert!(drain.within.unwrap().seconds > 0);
    // Until it moves, the agent is still listened to.
    agent.settled().await;
    agent.say(Says::Goodbye(fleet::Goodbye::default())).await;
    assert_eq!(agent.hear().await, None);
    drop(agent);

    let ended = tokio::time::timeout(LONG, running.ended).await;
    ended.unwrap().unwrap().unwrap();
    assert!(
        TcpStream::connect(running.addresses.grpc).await.is_err(),
        "nobody is let in any more"
    );
}

#[tokio::test]
async fn an_agent_that_does_not_leave_holds_nothing_up() {
    let running = Running::start().await;
    let mut agent = Attached::greet(&running, "laptop-1").await;
    agent.settled().await;
    let begun = Instant::now();
    running.stop.cancel();
    let ended = tokio::time::timeout(LONG, running.ended).await;
    ended.unwrap().unwrap().unwrap();
    // Five seconds to leave, ten for what is under way, one to notice.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    drop(agent);
}
