//! Answers that break where LiteLLM's broke (issues 40404, 26015, 19077), and cascades, over models of a
//! few lines: the n-th token is always the n-th word, so that what is lost or told twice shows.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use inference_api::{
    BoxInferenceService, ChatTask, Context as Terms, Delta, Fallback, GeneratedToken,
    InferenceRequest, Message, ModelCard, ModelName, ModelSelector, Placement, Role, Sampling,
    Served, Task, TaskKind, ToolChoice,
};
use router_policy::{Boundary, PlacementKind, Policy, Probability, Site, SlowFacts};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::*;
use crate::conditions::Conditions;
use crate::decide::Decider;
use crate::execute::{BoxEgressService, Egress};
use crate::outcome::{Outcome, OutcomeEnding, OutcomeSink};
use crate::route::Parts;
use crate::table::{Availability, Executor, Measured, Route, RouteTable, UsdPerMillionTokens};

/// Words of a whole answer.
const WHOLE: usize = 60;

/// How a model's answer ends too early.
#[derive(Clone, Copy, Debug)]
enum Break {
    Never,
    /// It gives no answer at all.
    AtOnce(ErrorKind),
    /// With an error after so many words.
    Error(usize, ErrorKind),
    /// It falls silent after so many words.
    Silence(usize),
}

/// A model: how it breaks, how sure it is, and a word that it says in the place of the third.
#[derive(Clone, Debug)]
struct Words {
    breaks: Break,
    logprob: f32,
    third: &'static str,
    asked: Arc<AtomicUsize>,
}

impl Words {
    fn new(breaks: Break) -> Self {
        Self {
            breaks,
            logprob: -0.01,
            third: "w2 ",
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn word(&self, index: usize) -> String {
        if index == 2 {
            self.third.to_owned()
        } else {
            format!("w{index} ")
        }
    }

    /// The rest of the answer, from where it was left.
    fn answer(
        &self,
        placement: Placement,
        request: &InferenceRequest,
    ) -> Result<InferenceStream, InferenceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Task::Chat(task) = &request.task else {
            return Err(InferenceError::internal());
        };
        let begun = request.continued.as_ref();
        let from = begun.map_or(0, |begun| begun.text.split_whitespace().count());
        assert_eq!(begun.map_or(0, |begun| begun.tokens.len()), from);
        let most = task.sampling.max_tokens.map_or(WHOLE, |most| most as usize);
        let to = WHOLE.min(from + most);
        let (cut, then) = match self.breaks {
            Break::AtOnce(kind) => return Err(InferenceError::new(kind, "not now")),
            Break::Never => (to, None),
            Break::Error(after, kind) => (after.min(to), Some(Some(kind))),
            Break::Silence(after) => (after.min(to), Some(None)),
        };
        let mut events: Vec<Result<Event, InferenceError>> = (from..cut)
            .map(|index| {
                let token = GeneratedToken {
                    id: Some(count(index)),
                    logprob: self.logprob,
                    bytes: Vec::new(),
                    alternatives: Vec::new(),
                };
                Ok(Event::Delta(Delta {
                    choice: 0,
                    text: self.word(index),
                    tokens: vec![token],
                }))
            })
            .collect();
        let served = Arc::new(Served::new(placement, name("assistant")));
        Ok(match then {
            Some(None) => {
                let silence = stream::pending();
                InferenceStream::flowing(served, stream::iter(events).chain(silence))
            }
            Some(Some(kind)) => {
                events.push(Err(InferenceError::new(kind, "it broke")));
                InferenceStream::flowing(served, stream::iter(events))
            }
            None => {
                events.push(Ok(Event::Finished(0, FinishReason::Stop)));
                events.push(Ok(Event::Usage(Usage {
                    prompt_tokens: 5 + count(from),
                    completion_tokens: count(to - from),
                    ..Usage::default()
                })));
                InferenceStream::flowing(served, stream::iter(events))
            }
        })
    }
}

fn count(words: usize) -> u32 {
    u32::try_from(words).unwrap_or(u32::MAX)
}

/// Keeps the last outcome.
#[derive(Default)]
struct Last(Mutex<Option<(OutcomeEnding, Journey, Option<PlacementKind>)>>);

impl OutcomeSink for Last {
    fn record(&self, outcome: &Outcome) {
        let served = outcome.served.as_ref().map(|candidate| candidate.kind);
        let before = self
            .0
            .lock()
            .unwrap()
            .replace((outcome.ending, outcome.journey, served));
        assert!(before.is_none(), "one outcome for each request");
    }
}

struct House {
    router: PlacementRouter,
    last: Arc<Last>,
}

fn name(name: &str) -> ModelName {
    ModelName::new(name).unwrap()
}

/// A model on the device or beyond it; the cloud is quicker.
fn route(words: &Words, kind: PlacementKind, site: &str, model: &str) -> Route {
    let words = words.clone();
    let (boundary, fixed_seconds, executor) = match kind {
        PlacementKind::Device => {
            let service = tower::service_fn(move |request: InferenceRequest| {
                let answer = words.answer(Placement::Device, &request);
                Box::pin(async { answer }) as BoxFuture<'static, _>
            });
            (
                Boundary::Device,
                0.5,
                Executor::Stays(BoxInferenceService::new(service)),
            )
        }
        PlacementKind::Cloud | PlacementKind::Split | PlacementKind::Cascade => {
            let service = tower::service_fn(move |egress: Egress| {
                let answer = words.answer(Placement::Cloud, &egress.request);
                Box::pin(async { answer }) as BoxFuture<'static, _>
            });
            (
                Boundary::Cloud,
                0.01,
                Executor::Leaves(BoxEgressService::new(service)),
            )
        }
    };
    Route {
        kind,
        site: Site {
            name: site.into(),
            boundary,
        },
        card: Arc::new(ModelCard::new(name(model), TaskKind::Chat)),
        variant: "fp32".into(),
        provider: "words".into(),
        measured: Measured {
            fixed_seconds,
            per_token_seconds: 0.0,
            per_answer_token_seconds: 0.0,
        },
        price: Some(UsdPerMillionTokens {
            prompt: 1.0,
            answer: 10.0,
        }),
        watts: 0.0,
        p_error: Probability::new(0.0),
        availability: Availability::Ready,
        counter: None,
        executor,
    }
}

impl House {
    fn new(routes: Vec<Route>, rules: &str) -> Self {
        let policy = format!(
            "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: {{ name: test }}\nspec:\n  rules:\n    - name: regulated\n      when: 'request.labels.exists(l, l.startsWith(\"pii.\"))'\n      boundary: device\n{rules}  default: {{ boundary: cloud }}\n"
        );
        let table = RouteTable::new();
        table.replace("all", routes);
        let last = Arc::new(Last::default());
        Self {
            router: PlacementRouter::new(Parts {
                routes: Arc::new(table),
                conditions: Arc::new(Conditions::new(SlowFacts::default())),
                decider: Arc::new(Decider::new(Policy::compile("t.yaml", &policy).unwrap())),
                outcomes: last.clone(),
            }),
            last,
        }
    }

    /// The cloud first, the device behind it.
    fn two(cloud: &Words, device: &Words, rules: &str) -> Self {
        let routes = vec![
            route(cloud, PlacementKind::Cloud, "cloud", "assistant"),
            route(device, PlacementKind::Device, "device", "assistant"),
        ];
        Self::new(routes, rules)
    }

    async fn ask(&self, request: InferenceRequest) -> Read {
        let mut read = Read::default();
        let mut stream = match self.router.clone().oneshot(request).await {
            Ok(stream) => stream,
            Err(error) => {
                read.error = Some(error);
                return read;
            }
        };
        read.placements.push(stream.served().placement);
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Delta(delta)) => read.text.push_str(&delta.text),
                Ok(Event::Served(served)) => {
                    read.placements.push(served.placement);
                    read.reason = served.explanation.clone().unwrap().reason;
                }
                Ok(Event::Usage(usage)) => read.usage = Some(usage),
                Ok(_) => {}
                Err(error) => read.error = Some(error),
            }
        }
        let served = stream.served().clone();
        read.reason = served.explanation.clone().unwrap().reason;
        read
    }

    fn told(&self) -> (OutcomeEnding, Journey, Option<PlacementKind>) {
        self.last.0.lock().unwrap().unwrap()
    }
}

/// What a caller saw.
#[derive(Debug, Default)]
struct Read {
    text: String,
    placements: Vec<Placement>,
    usage: Option<Usage>,
    reason: String,
    error: Option<InferenceError>,
}

fn question() -> InferenceRequest {
    let context = Terms::new(Instant::now() + Duration::from_secs(300));
    let task = ChatTask {
        messages: vec![Message::new(Role::User, "say your words")],
        ..ChatTask::default()
    };
    InferenceRequest::new(
        ModelSelector::Named(name("assistant")),
        Task::Chat(Arc::new(task)),
        context,
    )
}

fn with_fallback(fallback: Fallback) -> InferenceRequest {
    let mut request = question();
    request.context.fallback = fallback;
    request
}

fn whole() -> String {
    (0..WHOLE).map(|index| format!("w{index} ")).collect()
}

#[tokio::test]
async fn an_answer_cut_after_40_of_60_tokens_goes_on_from_exactly_there() {
    let (cloud, device) = (
        Words::new(Break::Error(40, ErrorKind::Unavailable)),
        Words::new(Break::Never),
    );
    let house = House::two(&cloud, &device, "");
    let read = house.ask(question()).await;
    assert_eq!(read.text, whole());
    assert_eq!(read.placements, [Placement::Cloud, Placement::Device]);
    let usage = read.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (5, 60));
    // The prompt is paid for twice, and each token of the answer once.
    let counted = u32::try_from("say your words".len() / 4).unwrap();
    let cost = usage.cost_usd.unwrap() * 1e6;
    assert!(
        (600.0 + 45.0..600.0 + 45.0 + 40.0).contains(&cost),
        "{cost} {counted}"
    );
    assert_eq!(
        read.reason,
        "device: goes on after 40 tokens, as cloud failed, upstream_unavailable"
    );
    let (ending, journey, served) = house.told();
    assert_eq!(ending, OutcomeEnding::Completed);
    assert_eq!((journey.continuations, journey.failovers), (1, 0));
    assert_eq!(served, Some(PlacementKind::Device));
    assert!(journey.first_token.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_falls_silent_goes_on_elsewhere_within_its_deadline() {
    let (cloud, device) = (Words::new(Break::Silence(20)), Words::new(Break::Never));
    let house = House::two(&cloud, &device, "");
    let begun = Instant::now();
    let read = house.ask(question()).await;
    assert_eq!((read.text, begun.elapsed()), (whole(), SILENCE));

    let mut hurried = question();
    hurried.context.deadline = Instant::now() + Duration::from_secs(5);
    let house = House::two(&cloud, &device, "");
    let read = house.ask(hurried).await;
    let error = read.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn with_nothing_left_to_try_the_error_is_told_at_once_and_nobody_is_asked_twice() {
    let (cloud, device) = (
        Words::new(Break::Error(10, ErrorKind::Overloaded)),
        Words::new(Break::Error(30, ErrorKind::Internal)),
    );
    let house = House::two(&cloud, &device, "");
    let read = house.ask(question()).await;
    assert_eq!(read.text, whole()[.."w0 ".len() * 10 + "w10 ".len() * 20]);
    assert_eq!(read.error.unwrap().kind(), ErrorKind::Internal);
    assert_eq!((cloud.asked(), device.asked()), (1, 1));
    assert_eq!(house.told().0, OutcomeEnding::Failed(ErrorKind::Internal));
}

#[tokio::test]
async fn a_caller_or_a_policy_that_forbids_fallbacks_gets_the_error() {
    for (fallback, rules) in [
        (Fallback::None, ""),
        (Fallback::AnyModel, "    - { name: no, fallback: none }\n"),
    ] {
        for breaks in [
            Break::Error(40, ErrorKind::Unavailable),
            Break::AtOnce(ErrorKind::Unavailable),
        ] {
            let (cloud, device) = (Words::new(breaks), Words::new(Break::Never));
            let house = House::two(&cloud, &device, rules);
            let read = house.ask(with_fallback(fallback)).await;
            assert_eq!(read.error.unwrap().kind(), ErrorKind::Unavailable);
            assert_eq!(device.asked(), 0);
        }
    }
}

#[tokio::test]
async fn what_the_device_has_said_travels_no_further_than_its_policy_lets_it() {
    let mut device = Words::new(Break::Error(40, ErrorKind::Internal));
    device.third = "jo@example.com ";
    let cloud = Words::new(Break::Never);
    let house = House::two(&cloud, &device, "    - { name: here, avoid: [cloud] }\n");
    let read = house.ask(question()).await;
    assert_eq!(read.placements, [Placement::Device]);
    assert_eq!(read.error.unwrap().kind(), ErrorKind::Internal);
    assert_eq!(cloud.asked(), 0, "the answer held an address");
}

#[tokio::test]
async fn another_model_goes_on_only_where_policy_and_caller_let_it() {
    let open = "    - { name: open, fallback: any-model }\n";
    for (fallback, rules, goes_on) in [
        (Fallback::AnyModel, open, true),
        (Fallback::SameModel, open, false),
        (Fallback::AnyModel, "", false),
    ] {
        let (cloud, device) = (
            Words::new(Break::Error(40, ErrorKind::Unavailable)),
            Words::new(Break::Never),
        );
        let routes = vec![
            route(&cloud, PlacementKind::Cloud, "cloud", "assistant"),
            route(&device, PlacementKind::Device, "device", "other"),
        ];
        let mut request = with_fallback(fallback);
        request.model = ModelSelector::Auto;
        let read = House::new(routes, rules).ask(request).await;
        assert_eq!(read.text == whole(), goes_on, "{fallback:?} {rules}");
    }
}

#[tokio::test]
async fn the_most_tokens_hold_for_all_places_together() {
    let (cloud, device) = (
        Words::new(Break::Error(40, ErrorKind::Unavailable)),
        Words::new(Break::Never),
    );
    for (most, expected) in [(50, 50), (40, 40)] {
        let mut request = question();
        let task = ChatTask {
            messages: vec![Message::new(Role::User, "say your words")],
            sampling: Sampling {
                max_tokens: Some(most),
                ..Sampling::default()
            },
            ..ChatTask::default()
        };
        request.task = Task::Chat(Arc::new(task));
        let read = House::two(&cloud, &device, "").ask(request).await;
        assert_eq!(read.text.split_whitespace().count(), expected);
        assert_eq!(read.usage.unwrap().completion_tokens, most);
    }
}

#[tokio::test]
async fn calls_of_tools_are_not_gone_on_with() {
    let (cloud, device) = (
        Words::new(Break::Error(40, ErrorKind::Unavailable)),
        Words::new(Break::Never),
    );
    let mut request = question();
    let tool = inference_api::Tool {
        name: "add".into(),
        json: serde_json::value::RawValue::from_string("{}".into()).unwrap(),
    };
    let task = ChatTask {
        messages: vec![Message::new(Role::User, "say your words")],
        tools: vec![tool],
        tool_choice: ToolChoice::Auto,
        ..ChatTask::default()
    };
    request.task = Task::Chat(Arc::new(task));
    let read = House::two(&cloud, &device, "").ask(request).await;
    assert!(read.error.is_some() && device.asked() == 0);
}

const CASCADE: &str =
    "    - { name: here-first, cascade: { minConfidence: 0.7, holdTokens: 8 } }\n";

/// A device of that log probability, before a cloud that says another third word.
fn unsure(logprob: f32) -> (Words, Words) {
    let (mut device, mut cloud) = (Words::new(Break::Never), Words::new(Break::Never));
    device.logprob = logprob;
    cloud.third = "other ";
    (cloud, device)
}

#[tokio::test]
async fn a_device_that_is_sure_enough_answers_and_the_cloud_is_not_asked() {
    let (cloud, device) = unsure(-0.01);
    let house = House::two(&cloud, &device, CASCADE);
    let read = house.ask(question()).await;
    assert_eq!(
        (read.text, read.placements),
        (whole(), vec![Placement::Cascade])
    );
    assert_eq!(
        read.reason,
        "cascade: the device is 0.99 sure, 0.70 is enough"
    );
    assert_eq!((device.asked(), cloud.asked()), (1, 0));
    let (ending, journey, served) = house.told();
    assert_eq!(
        (ending, served),
        (OutcomeEnding::Completed, Some(PlacementKind::Cascade))
    );
    assert!(!journey.has_escalated && journey.confidence.unwrap().get() > 0.9);
}

#[tokio::test]
async fn a_device_that_is_not_sure_shows_nothing_and_the_cloud_answers() {
    let (cloud, device) = unsure(-2.0);
    let house = House::two(&cloud, &device, CASCADE);
    let read = house.ask(question()).await;
    assert!(read.text.starts_with("w0 w1 other w3 "), "{}", read.text);
    assert_eq!(read.usage.unwrap().completion_tokens, 60);
    assert!(
        read.reason
            .starts_with("cascade: escalated: the device is 0.14 sure")
    );
    let (_, journey, _) = house.told();
    assert!(journey.has_escalated);
    // It is learned that such an answer was wrong: the next is believed less.
    let again = House::two(&cloud, &device, CASCADE);
    again.ask(question()).await;
    assert_eq!(device.asked(), 2);
}

#[tokio::test]
async fn an_answer_that_is_unsure_is_shown_when_the_cloud_cannot_give_a_better_one() {
    let (mut cloud, device) = unsure(-2.0);
    cloud.breaks = Break::AtOnce(ErrorKind::Unavailable);
    let house = House::two(&cloud, &device, CASCADE);
    let read = house.ask(question()).await;
    assert_eq!(read.text, whole());
    assert!(
        read.reason
            .ends_with("the other place failed: upstream_unavailable")
    );
    assert!(!house.told().1.has_escalated);
}

#[tokio::test]
async fn what_must_stay_is_never_escalated() {
    let (cloud, device) = unsure(-2.0);
    let house = House::two(&cloud, &device, CASCADE);
    let mut request = question();
    let task = ChatTask {
        messages: vec![Message::new(Role::User, "write to jo@example.com")],
        ..ChatTask::default()
    };
    request.task = Task::Chat(Arc::new(task));
    let read = house.ask(request).await;
    assert_eq!(
        (read.text, read.placements),
        (whole(), vec![Placement::Device])
    );
    assert_eq!(cloud.asked(), 0);
}

#[tokio::test]
async fn a_cascade_whose_device_fails_is_answered_by_the_cloud() {
    let (cloud, mut device) = unsure(-0.01);
    device.breaks = Break::Error(3, ErrorKind::Internal);
    let read = House::two(&cloud, &device, CASCADE).ask(question()).await;
    assert!(read.text.starts_with("w0 w1 other w3 "), "{}", read.text);
    assert_eq!(read.text.split_whitespace().count(), WHOLE);
}
