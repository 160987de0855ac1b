//! The control stream over a socket: who is attached, what is kept of them, and who is let go.

use tideline_proto::tideline::admin::v1::{Device, GetDeviceRequest, ListDevicesRequest};
use tideline_proto::tideline::fleet::v1 as fleet;
use tideline_proto::tideline::policy::v1 as policy;
use tonic::Code;

use fleet::agent_message::Message as Says;
use fleet::gateway_message::Message as Hears;

use super::running::{Attached, Running};

async fn devices(running: &Running) -> Vec<Device> {
    let mut client = running.admin();
    let asked = client.list_devices(ListDevicesRequest::default());
    let answer: tonic::Response<_> = asked.await.unwrap();
    answer.into_inner().devices
}

fn state(hostname: &str) -> fleet::DeviceState {
    let host = fleet::Host {
        hostname: hostname.to_owned(),
        ..fleet::Host::default()
    };
    fleet::DeviceState {
        host: Some(host),
        ..fleet::DeviceState::default()
    }
}

#[tokio::test]
async fn an_agent_attaches_tells_its_state_and_leaves() {
    let running = Running::start().await;
    let mut agent = Attached::greet(&running, "laptop-1").await;
    let Some(Hears::Welcome(welcome)) = agent.hear().await else {
        panic!("Welcome comes first")
    };
    assert_eq!(welcome.protocol, 1);
    assert_eq!(
        welcome.site.unwrap().boundary(),
        policy::Boundary::Cloud,
        "agents learn whose site this is"
    );
    assert!(
        matches!(agent.try_hear().await, Ok(Some(Hears::Hints(hints))) if hints.time_to_live.is_some())
    );
    agent.say(Says::State(state("ada"))).await;
    agent.settled().await;
    let before = devices(&running).await;
    assert_eq!(before.len(), 1);
    assert!(before[0].connected);
    assert_eq!(before[0].state, Some(state("ada")));

    let delta = fleet::DeviceState {
        labels: [("team".to_owned(), "x".to_owned())].into(),
        ..fleet::DeviceState::default()
    };
    agent.say(Says::Delta(delta)).await;
    agent.settled().await;
    let whole = devices(&running).await[0].state.clone().unwrap();
    assert_eq!(
        (whole.host, whole.labels["team"].as_str()),
        (state("ada").host, "x"),
        "what is not told stays"
    );

    agent.say(Says::Goodbye(fleet::Goodbye::default())).await;
    assert_eq!(agent.hear().await, None);
    let mut client = running.admin();
    let after = client.get_device(GetDeviceRequest {
        id: "laptop-1".into(),
    });
    assert!(!after.await.unwrap().into_inner().connected);
}

#[tokio::test]
async fn a_second_stream_of_a_device_replaces_the_first_which_is_told_why() {
    let running = Running::start().await;
    let mut first = Attached::greet(&running, "laptop-1").await;
    first.settled().await;
    let mut second = Attached::greet(&running, "laptop-1").await;
    second.settled().await;
    let Some(Hears::Refused(refused)) = first.hear().await else {
        panic!("the first stream is refused")
    };
    assert!(refused.reason.contains("identity"), "{}", refused.reason);
    assert!(refused.retry.unwrap().at_least.unwrap().seconds >= 60);
    assert_eq!(first.hear().await, None);
    second.say(Says::State(state("ada"))).await;
    second.settled().await;
    assert!(devices(&running).await[0].connected);
}

#[tokio::test]
async fn sql_in_a_device_s_name_is_only_a_name() {
    let running = Running::start().await;
    let name = "x');DROP/**/TABLE/**/devices;--";
    let mut agent = Attached::greet(&running, name).await;
    agent
        .say(Says::State(state("'; DELETE FROM outcomes; --")))
        .await;
    agent.settled().await;
    let found = devices(&running).await;
    assert_eq!((found.len(), found[0].id.as_str()), (1, name));
    let mut client = running.admin();
    let nobody = client.get_device(GetDeviceRequest {
        id: "' OR '1'='1".into(),
    });
    assert_eq!(nobody.await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_stream_that_does_not_begin_with_hello_is_refused_for_good() {
    let running = Running::start().await;
    let mut agent = Attached::begin(&running, Says::State(state("ada"))).await;
    let Some(Hears::Refused(refused)) = agent.hear().await else {
        panic!("it is refused")
    };
    assert_eq!(
        (refused.reason.as_str(), refused.retry),
        ("a stream begins with Hello", None)
    );
    assert_eq!(devices(&running).await, []);
}

#[tokio::test]
async fn a_state_too_large_to_be_honest_is_refused_and_costs_nobody_else() {
    let running = Running::start().await;
    let mut agent = Attached::greet(&running, "laptop-1").await;
    agent.settled().await;
    agent.say(Says::State(state(&"x".repeat(65 << 10)))).await;
    let heard = agent.hear().await;
    assert!(matches!(heard, Some(Hears::Refused(_))), "{heard:?}");
    assert_eq!(devices(&running).await, []);
}

#[tokio::test]
async fn polling_says_that_it_is_not_done_here() {
    let running = Running::start().await;
    let mut client = running.fleet();
    let polled = client.poll(fleet::PollRequest::default()).await;
    assert_eq!(polled.unwrap_err().code(), Code::Unimplemented);
}
