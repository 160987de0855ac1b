//! Proofs about the one door by which content leaves, against a gateway over real sockets.

use std::time::Duration;

use inference_api::{
    Context, EmbeddingInput, EmbeddingTask, ErrorKind, InferenceError, InferenceRequest,
    ModelSelector, Output, Task,
};
use placement::Egress;
use router_policy::{
    Availability, Boundary, Candidate, EgressPermit, Mode, PlacementKind, Policy, Prediction,
    Probability, Question, RequestFacts, Seconds, Site, SlowFacts, WattHours,
};
use tideline_proto::tideline::inference::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::ServiceExt as _;

use super::RemoteExecutor;
use crate::fleet::{GatewayEndpoint, LinkView};
use crate::tests::gateway::{FakeGateway, Serve, embeddings, well};

const SECRET: &str = "my PIN is 9471";

/// A permit as a decision gives it: there is no other.
fn permit(boundary: &str, site: Boundary) -> Option<EgressPermit> {
    let policy = format!(
        "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: {{ name: test }}\nspec:\n  default: {{ boundary: {boundary} }}\n"
    );
    let candidate = Candidate {
        kind: PlacementKind::Cloud,
        site: Site {
            name: "cloud".into(),
            boundary: site,
        },
        model: "minilm".into(),
        variant: "fp32".into(),
        provider: "cpu".into(),
        prediction: Prediction {
            latency: Seconds::ZERO,
            latency_sd: Seconds::ZERO,
            cost: None,
            energy: WattHours::ZERO,
            p_error: Probability::new(0.0),
        },
        availability: Availability::Ready,
        redacts: false,
    };
    let question = Question {
        request: RequestFacts::default(),
        mode: Mode::Unstated,
        boundary: Boundary::Cloud,
        candidates: vec![candidate],
    };
    Policy::compile("test.yaml", &policy)
        .unwrap()
        .decide(&SlowFacts::default(), question)
        .permit(0)
}

fn request() -> InferenceRequest {
    let task = EmbeddingTask {
        inputs: vec![EmbeddingInput::Text(SECRET.into())],
        dimensions: None,
    };
    let context = Context::new(Instant::now() + Duration::from_secs(20));
    InferenceRequest::new(
        ModelSelector::parse("minilm").unwrap(),
        Task::Embedding(task),
        context,
    )
}

/// What a caller gets from a gateway that is attached and serves like that.
async fn ask(gateway: &FakeGateway) -> Result<Output, InferenceError> {
    let endpoint = GatewayEndpoint::new(&gateway.url().parse().unwrap(), None).unwrap();
    let mut view = LinkView::new(Instant::now());
    view.channel = Some(endpoint.connect().await.unwrap());
    send(view, request()).await
}

async fn send(view: LinkView, request: InferenceRequest) -> Result<Output, InferenceError> {
    let (_keep, link) = watch::channel(view);
    let executor = RemoteExecutor::new(link, "minilm".into(), "fp32".into(), "cloud".into());
    let permit = permit("cloud", Boundary::Cloud).unwrap();
    let stream = executor
        .oneshot(Egress {
            request,
            permit,
            decision: placement::DecisionId::generate(),
        })
        .await?;
    Ok(stream.finish().await?.output)
}

async fn fails(serve: Serve) -> InferenceError {
    ask(&FakeGateway::start(serve)).await.unwrap_err()
}

#[tokio::test]
async fn a_request_travels_with_its_boundary_and_what_is_left_of_its_deadline() {
    let gateway = FakeGateway::start(well);
    let output = ask(&gateway).await.unwrap();
    assert_eq!(output, Output::Embeddings(vec![vec![1.0, 0.0]]));

    let executed = gateway.executed.lock().unwrap();
    let context = executed[0].context.as_ref().unwrap();
    assert_eq!(context.boundary(), policy::Boundary::Cloud);
    let remaining = context.remaining.as_ref().unwrap().seconds;
    assert!((15..20).contains(&remaining), "{remaining} s");
    assert_eq!(
        (executed[0].model.as_str(), executed[0].variant.as_str()),
        ("minilm", "fp32")
    );
}

#[test]
fn content_that_must_stay_gets_no_permit() {
    assert!(permit("device", Boundary::Cloud).is_none());
    assert!(permit("private", Boundary::Cloud).is_none());
    assert!(permit("private", Boundary::Private).is_some());
}

#[tokio::test]
async fn without_a_link_the_answer_is_a_typed_error_at_once() {
    let error = send(LinkView::new(Instant::now()), request())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unavailable, "the gateway cannot be reached")
    );
}

#[tokio::test]
async fn a_gateway_that_dies_under_a_request_is_told_at_once() {
    let gateway = FakeGateway::start(|_| Box::pin(tokio_stream::pending()));
    let executed = gateway.executed.clone();
    let kill = async move {
        while executed.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let asked = Instant::now();
    let endpoint = GatewayEndpoint::new(&gateway.url().parse().unwrap(), None).unwrap();
    let mut view = LinkView::new(Instant::now());
    view.channel = Some(endpoint.connect().await.unwrap());
    let sending = tokio::spawn(send(view, request()));
    kill.await;
    gateway.kill();
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn a_gateway_that_is_silent_fails_the_request_at_its_deadline() {
    let gateway = FakeGateway::start(|_| Box::pin(tokio_stream::pending()));
    let endpoint = GatewayEndpoint::new(&gateway.url().parse().unwrap(), None).unwrap();
    let mut view = LinkView::new(Instant::now());
    view.channel = Some(endpoint.connect().await.unwrap());
    let mut soon = request();
    soon.context.deadline = Instant::now() + Duration::from_millis(50);
    assert_eq!(
        send(view, soon).await.unwrap_err().kind(),
        ErrorKind::DeadlineExceeded
    );
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_not_used() {
    let cut_off: Serve = |request| {
        Box::pin(tokio_stream::iter(
            embeddings(&request).into_iter().take(2).map(Ok),
        ))
    };
    let twice: Serve = |request| {
        let mut asked = request;
        if let Some(wire::execute_request::Task::Embedding(embedding)) = &mut asked.task {
            embedding.inputs.extend(embedding.inputs.clone());
        }
        Box::pin(tokio_stream::iter(embeddings(&asked).into_iter().map(Ok)))
    };
    let not_a_number: Serve = |request| {
        let mut events = embeddings(&request);
        if let Some(wire::execute_event::Event::Embeddings(embeddings)) = &mut events[1].event {
            embeddings.vectors[0].values = f32::NAN.to_le_bytes().to_vec().into();
        }
        Box::pin(tokio_stream::iter(events.into_iter().map(Ok)))
    };
    let nothing: Serve = |_| Box::pin(tokio_stream::empty());
    for serve in [cut_off, twice, not_a_number, nothing] {
        assert_eq!(fails(serve).await.kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn an_error_of_the_gateway_keeps_its_class() {
    let error = fails(|_| {
        let details = ErrorDetails::with_error_info("context_length_exceeded", "tideline.dev", []);
        let status = Status::with_error_details(
            tonic::Code::InvalidArgument,
            "600 tokens, 512 fit",
            details,
        );
        Box::pin(tokio_stream::once(Err(status)))
    })
    .await;
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::ContextLengthExceeded, "600 tokens, 512 fit")
    );
}

#[tokio::test]
async fn what_a_gateway_says_freely_reaches_neither_caller_nor_log() {
    let error = fails(|_| {
        Box::pin(tokio_stream::once(Err(Status::internal(format!(
            "while embedding {SECRET}"
        )))))
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error} {}", error.log()).contains("9471"));
}
