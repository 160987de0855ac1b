//! The way of a request over executors of a few lines: where it goes, and that its outcome is told
//! exactly once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use inference_api::{
    BoxInferenceService, Context as Terms, DataType, EmbeddingInput, EmbeddingTask, InferTask,
    Mode, ModelCard, ModelName, ModelSelector, Output, Placement, Served, Task, TaskKind, Tensor,
    Usage,
};
use router_policy::{Boundary, PlacementKind, Policy, Probability, Site, SlowFacts};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::*;
use crate::execute::{BoxEgressService, Egress};
use crate::outcome::{Outcome, OutcomeEnding};
use crate::table::{Availability, Executor, Measured, Route, UsdPerMillionTokens};

const POLICY: &str = "
apiVersion: tideline.dev/v1
kind: PlacementPolicy
metadata: { name: test }
spec:
  rules:
    - name: regulated-data-stays
      when: 'request.labels.exists(l, l.startsWith(\"pii.\"))'
      boundary: device
  default: { boundary: cloud }
";

/// Keeps what it is told.
#[derive(Default)]
struct Outcomes(Mutex<Vec<(OutcomeEnding, u32, Option<PlacementKind>)>>);

impl OutcomeSink for Outcomes {
    fn record(&self, outcome: &Outcome) {
        let served = outcome.served.as_ref().map(|candidate| candidate.kind);
        self.0
            .lock()
            .unwrap()
            .push((outcome.ending, outcome.journey.failovers, served));
    }
}

/// A router with one route here and one there; counts what each was given.
struct House {
    router: PlacementRouter,
    outcomes: Arc<Outcomes>,
    here: Arc<AtomicUsize>,
    there: Arc<AtomicUsize>,
}

/// What the place beyond the laptop does.
type There = fn(Egress) -> Result<InferenceStream, InferenceError>;

impl House {
    fn new(there_does: There) -> Self {
        let (here, there) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = here.clone();
        let stays = tower::service_fn(move |_: InferenceRequest| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(answer(Placement::Device)) }
        });
        let counted = there.clone();
        let leaves = tower::service_fn(move |egress: Egress| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move { there_does(egress) }
        });
        let routes = RouteTable::new();
        routes.replace(
            "local",
            vec![
                route(
                    PlacementKind::Device,
                    TaskKind::Embedding,
                    Executor::Stays(BoxInferenceService::new(stays.clone())),
                ),
                route(
                    PlacementKind::Device,
                    TaskKind::Infer,
                    Executor::Stays(BoxInferenceService::new(stays)),
                ),
            ],
        );
        let leaves = BoxEgressService::new(leaves);
        routes.replace(
            "gateway",
            vec![
                route(
                    PlacementKind::Cloud,
                    TaskKind::Embedding,
                    Executor::Leaves(leaves.clone()),
                ),
                route(
                    PlacementKind::Cloud,
                    TaskKind::Infer,
                    Executor::Leaves(leaves),
                ),
            ],
        );
        let outcomes = Arc::new(Outcomes::default());
        let router = PlacementRouter::new(Parts {
            routes: Arc::new(routes),
            conditions: Arc::new(Conditions::new(SlowFacts::default())),
            decider: Arc::new(Decider::new(Policy::compile("test.yaml", POLICY).unwrap())),
            outcomes: outcomes.clone(),
        });
        Self {
            router,
            outcomes,
            here,
            there,
        }
    }

    async fn ask(&self, request: InferenceRequest) -> Result<Served, InferenceError> {
        let answer = self.router.clone().oneshot(request).await?.finish().await?;
        Ok(Served::clone(&answer.served))
    }

    fn calls(&self) -> (usize, usize) {
        (
            self.here.load(Ordering::Relaxed),
            self.there.load(Ordering::Relaxed),
        )
    }

    fn told(&self) -> Vec<(OutcomeEnding, u32, Option<PlacementKind>)> {
        self.outcomes.0.lock().unwrap().clone()
    }
}

fn name() -> ModelName {
    ModelName::new("minilm").unwrap()
}

fn answer(placement: Placement) -> InferenceStream {
    let usage = Usage {
        prompt_tokens: 7,
        ..Usage::default()
    };
    InferenceStream::once(
        Arc::new(Served::new(placement, name())),
        Output::Embeddings(vec![vec![1.0]]),
        usage,
    )
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where others fail")]
fn serves(_: Egress) -> Result<InferenceStream, InferenceError> {
    Ok(answer(Placement::Cloud))
}

fn is_away(_: Egress) -> Result<InferenceStream, InferenceError> {
    Err(InferenceError::new(
        ErrorKind::Unavailable,
        "the gateway cannot be reached",
    ))
}

fn refuses(_: Egress) -> Result<InferenceStream, InferenceError> {
    Err(InferenceError::invalid(
        "the input is not what the model takes",
    ))
}

/// The cloud is quicker here, so that what may travel does.
fn route(kind: PlacementKind, task: TaskKind, executor: Executor) -> Route {
    let (site, boundary, fixed_seconds) = match kind {
        PlacementKind::Device => ("device", Boundary::Device, 0.5),
        PlacementKind::Split | PlacementKind::Cloud | PlacementKind::Cascade => {
            ("cloud", Boundary::Cloud, 0.001)
        }
    };
    Route {
        kind,
        site: Site {
            name: site.into(),
            boundary,
        },
        card: Arc::new(ModelCard::new(name(), task)),
        variant: "fp32".into(),
        provider: "cpu".into(),
        measured: Measured {
            per_answer_token_seconds: 0.0,
            fixed_seconds,
            per_token_seconds: 0.0,
        },
        price: Some(UsdPerMillionTokens::flat(0.02)),
        watts: 10.0,
        p_error: Probability::new(0.0),
        availability: Availability::Ready,
        counter: None,
        executor,
    }
}

fn terms() -> Terms {
    Terms::new(Instant::now() + Duration::from_secs(30))
}

fn request(input: EmbeddingInput) -> InferenceRequest {
    let task = Task::Embedding(EmbeddingTask {
        inputs: vec![input],
        dimensions: None,
    });
    InferenceRequest::new(ModelSelector::Named(name()), task, terms())
}

fn text(text: &str) -> InferenceRequest {
    request(EmbeddingInput::Text(text.into()))
}

#[tokio::test]
async fn what_a_policy_keeps_on_the_device_reaches_no_other_executor() {
    let house = House::new(serves);
    let served = house.ask(text("write to jo@example.com")).await.unwrap();
    assert_eq!(
        (served.placement, house.calls()),
        (Placement::Device, (1, 0))
    );
    let reason = served.explanation.unwrap().reason;
    assert_eq!(
        reason,
        "device: rule regulated-data-stays, request.labels = [pii.email]"
    );
}

#[tokio::test]
async fn what_may_travel_takes_its_permit_along() {
    let house = House::new(|egress| {
        assert_eq!(
            (egress.permit.boundary(), &*egress.permit.site()),
            (Boundary::Cloud, "cloud")
        );
        serves(egress)
    });
    let served = house.ask(text("the tide comes in")).await.unwrap();
    assert_eq!(
        (served.placement, house.calls()),
        (Placement::Cloud, (0, 1))
    );
    assert_eq!(
        house.told(),
        [(OutcomeEnding::Completed, 0, Some(PlacementKind::Cloud))]
    );
}

#[tokio::test]
async fn a_place_that_fails_is_followed_by_the_next_that_was_admitted() {
    let house = House::new(is_away);
    let served = house.ask(text("the tide comes in")).await.unwrap();
    assert_eq!(
        (served.placement, house.calls()),
        (Placement::Device, (1, 1))
    );
    assert_eq!(
        served.explanation.unwrap().reason,
        "device: cloud was chosen but failed, upstream_unavailable"
    );
    assert_eq!(
        house.told(),
        [(OutcomeEnding::Completed, 1, Some(PlacementKind::Device))]
    );
}

#[tokio::test]
async fn a_request_that_is_itself_wrong_is_not_tried_elsewhere() {
    let house = House::new(refuses);
    let error = house.ask(text("the tide comes in")).await.unwrap_err();
    assert_eq!(
        (error.kind(), house.calls()),
        (ErrorKind::InvalidRequest, (0, 1))
    );
    assert_eq!(
        house.told(),
        [(
            OutcomeEnding::Failed(ErrorKind::InvalidRequest),
            0,
            Some(PlacementKind::Cloud)
        )]
    );
}

#[tokio::test]
async fn a_wish_that_the_policy_denies_is_refused_with_the_decision() {
    let house = House::new(serves);
    let mut request = text("write to jo@example.com");
    request.context.mode = Some(Mode::OnlyInCloud);
    let error = house.ask(request).await.unwrap_err();
    assert_eq!(
        (error.kind(), house.calls()),
        (ErrorKind::PolicyDenied, (0, 0))
    );
    assert!(error.explanation().is_some());
    assert_eq!(
        house.told(),
        [(OutcomeEnding::Refused(ErrorKind::PolicyDenied), 0, None)]
    );
}

#[tokio::test]
async fn what_no_signal_can_read_counts_as_sensitive() {
    let house = House::new(serves);
    house
        .ask(request(EmbeddingInput::Tokens(vec![1, 2, 3])))
        .await
        .unwrap();
    let tensor = |datatype, bytes: &'static [u8]| {
        Tensor::new("x", datatype, vec![1], Bytes::from_static(bytes)).unwrap()
    };
    let infer = |tensor| {
        let task = Task::Infer(InferTask {
            inputs: vec![tensor],
            outputs: Vec::new(),
        });
        InferenceRequest::new(ModelSelector::Auto, task, terms())
    };
    house
        .ask(infer(tensor(DataType::Fp32, &[0; 4])))
        .await
        .unwrap();
    house
        .ask(infer(tensor(DataType::Bytes, b"\x01\0\0\0\xff")))
        .await
        .unwrap();
    assert_eq!(
        house.calls(),
        (3, 0),
        "token ids, numbers, and bytes that are no text"
    );
    house
        .ask(infer(tensor(DataType::Bytes, b"\x04\0\0\0tide")))
        .await
        .unwrap();
    assert_eq!(
        house.calls(),
        (3, 1),
        "text in a tensor is read like any other"
    );
    house
        .ask(infer(tensor(DataType::Bytes, b"\x06\0\0\0a@b.io")))
        .await
        .unwrap();
    assert_eq!(house.calls(), (4, 1));
}

#[tokio::test]
async fn a_boundary_that_came_with_a_request_is_never_widened() {
    let house = House::new(serves);
    let mut request = text("the tide comes in");
    request.context.boundary = inference_api::Boundary::Device;
    house.ask(request).await.unwrap();
    assert_eq!(house.calls(), (1, 0));
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_told_as_abandoned() {
    let house = House::new(serves);
    drop(
        house
            .router
            .clone()
            .oneshot(text("the tide comes in"))
            .await
            .unwrap(),
    );
    assert_eq!(
        house.told(),
        [(OutcomeEnding::Abandoned, 0, Some(PlacementKind::Cloud))]
    );
}

#[tokio::test]
async fn unknown_models_and_wrong_tasks_are_told_apart() {
    let house = House::new(serves);
    let mut unknown = text("x");
    unknown.model = ModelSelector::Named(ModelName::new("nobody").unwrap());
    assert_eq!(
        house.ask(unknown).await.unwrap_err().kind(),
        ErrorKind::ModelNotFound
    );
    assert_eq!(house.told(), [], "nothing was decided");
}

#[tokio::test]
async fn estimates_follow_outcomes() {
    let house = House::new(serves);
    let predicted = || {
        let request = text("write to jo@example.com");
        let entries = house.router.fitting(&request).unwrap();
        entries
            .iter()
            .find(|entry| entry.route.kind == PlacementKind::Device)
            .unwrap()
            .candidate(router_policy::Tokens::new(6))
            .prediction
            .latency
            .get()
    };
    let before = predicted();
    for _ in 0..40 {
        house.ask(text("write to jo@example.com")).await.unwrap();
    }
    assert!(
        predicted() < before / 10.0,
        "{before} s was told, {} s after it was seen to take no time",
        predicted()
    );
}
