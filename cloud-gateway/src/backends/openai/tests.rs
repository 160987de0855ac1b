//! A service that does what services do, good and bad, and what becomes of it here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use futures::StreamExt as _;
use inference_api::{
    Boundary, ChatTask, Context, ErrorKind, Event, FinishReason, InferenceError, InferenceStream,
    Message, ModelSelector, Output, Role, Task,
};
use tokio::time::Instant;

use super::*;

/// What the service does with the next request.
#[derive(Clone)]
enum Turn {
    Status(u16, &'static str),
    Whole(&'static str),
    /// Events, each flushed.
    Stream(Vec<String>),
    /// The same, and then the connection is cut.
    Cut(Vec<String>),
    /// The same, and then nothing more.
    Silent(Vec<String>),
}

#[derive(Clone, Default)]
struct Fake {
    turns: Arc<Mutex<VecDeque<Turn>>>,
    asked: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
}

async fn take(State(fake): State<Fake>, request: axum::extract::Request) -> Response {
    let key = request.headers().get(AUTHORIZATION);
    let key = key.map_or("", |key| key.to_str().unwrap()).to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap();
    fake.asked.lock().unwrap().push((key, body));
    let turn = fake.turns.lock().unwrap().pop_front();
    let stream = |events: Vec<String>| {
        stream::iter(events).map(|text| Ok::<_, std::io::Error>(Bytes::from(text)))
    };
    let body = match turn.expect("more requests than turns") {
        Turn::Status(status, body) => {
            let response = Response::builder()
                .status(status)
                .header("retry-after", "7");
            return response.body(Body::from(body)).unwrap();
        }
        Turn::Whole(body) => return Response::new(Body::from(body)),
        Turn::Stream(events) => Body::from_stream(stream(events)),
        Turn::Cut(events) => {
            // What was written before goes out first.
            let cut = stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            });
            Body::from_stream(stream(events).chain(cut))
        }
        Turn::Silent(events) => {
            let silence = stream::pending();
            Body::from_stream(stream(events).chain(silence))
        }
    };
    let response = Response::builder().header(CONTENT_TYPE, "text/event-stream; charset=utf-8");
    response.body(body).unwrap()
}

impl Fake {
    /// A service with these turns before it, and the offer that it is here.
    async fn open(turns: Vec<Turn>) -> (Self, Offer) {
        let fake = Self::default();
        fake.turns.lock().unwrap().extend(turns);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/v1/chat/completions", post(take))
            .route("/v1/embeddings", post(take))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "sk-heliotrope\n").unwrap();
        let config: UpstreamConfig = serde_yaml::from_str(&format!(
            "{{name: far, kind: openai, urls: ['{url}'], boundary: cloud, keyFile: {:?}, \
             continuation: continueFinalMessage, timeouts: {{firstEventMs: 2000, idleMs: 300}}, \
             models: [{{name: assistant, upstreamName: big, tasks: [chat, embedding]}}]}}",
            folder.path().join("key")
        ))
        .unwrap();
        let offer = open(&config).unwrap().remove(0);
        (fake, offer)
    }

    fn asked(&self) -> Vec<(String, serde_json::Value)> {
        self.asked.lock().unwrap().clone()
    }
}

fn chat(wants_whole: bool) -> InferenceRequest {
    let mut context = Context::new(Instant::now() + Duration::from_secs(20));
    context.boundary = Boundary::Cloud;
    context.wants_whole = wants_whole;
    let task = ChatTask {
        messages: vec![Message::new(Role::User, "heliotrope")],
        ..ChatTask::default()
    };
    let model = ModelSelector::parse("assistant").unwrap();
    InferenceRequest::new(model, Task::Chat(Arc::new(task)), context)
}

fn piece(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text:?}}}}}]}}\n\n")
}

const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
     data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n\
     data: [DONE]\n\n";

/// The text that came, and how it ended.
async fn read(
    answer: Result<InferenceStream, InferenceError>,
) -> (String, Result<(), InferenceError>) {
    let mut text = String::new();
    let mut stream = match answer {
        Ok(stream) => stream,
        Err(error) => return (text, Err(error)),
    };
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Delta(delta)) => text.push_str(&delta.text),
            Ok(_) => {}
            Err(error) => return (text, Err(error)),
        }
    }
    (text, Ok(()))
}

async fn fails(turn: Turn, kind: ErrorKind, log: &str) {
    let (_, offer) = Fake::open(vec![turn]).await;
    let (_, end) = read(offer.backend.run(chat(false)).await).await;
    let error = end.unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.log().contains(log), "{}", error.log());
    assert!(!error.log().contains("heliotrope"), "{}", error.log());
}

#[tokio::test]
async fn a_stream_is_passed_on_piece_by_piece_with_what_it_took() {
    let events = vec![piece("Hel"), piece("lo"), END.to_owned()];
    let (fake, offer) = Fake::open(vec![Turn::Stream(events)]).await;
    let answer = offer.backend.run(chat(false)).await.unwrap();
    assert_eq!(answer.served().model.as_str(), "assistant");
    assert_eq!(answer.served().variant.as_deref(), Some("big"));
    let events: Vec<Event> = answer.map(Result::unwrap).collect().await;
    assert!(
        matches!(
            events.as_slice(),
            [
                Event::Delta(one),
                Event::Delta(other),
                Event::Finished(0, FinishReason::Stop),
                Event::Usage(usage),
            ] if one.text == "Hel" && other.text == "lo" && usage.completion_tokens == 2
        ),
        "{events:?}"
    );
    let (key, body) = fake.asked().remove(0);
    assert_eq!(key, "Bearer sk-heliotrope");
    let expected = serde_json::json!({
        "model": "big",
        "messages": [{ "role": "user", "content": "heliotrope" }],
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    assert_eq!(body, expected);
    assert!(
        !format!("{offer:?}").contains("heliotrope"),
        "no key is shown"
    );
}

#[tokio::test]
async fn an_answer_that_nobody_watches_is_asked_for_whole() {
    let whole = r#"{"choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"c1",
        "function":{"name":"add","arguments":"{}"}}]},"finish_reason":"tool_calls"}],
        "usage":{"prompt_tokens":1,"completion_tokens":9}}"#;
    let (fake, offer) = Fake::open(vec![Turn::Whole(whole)]).await;
    let answer = offer.backend.run(chat(true)).await.unwrap();
    let answer = answer.finish().await.unwrap();
    let Output::Generated(answers) = &answer.output else {
        panic!("{answer:?}");
    };
    assert_eq!(answers[0].finish, Some(FinishReason::ToolCalls));
    assert_eq!(answers[0].tool_calls[0].name, "add");
    assert_eq!(answer.usage.completion_tokens, 9);
    assert_eq!(fake.asked()[0].1.get("stream"), None);
}

#[tokio::test]
async fn calls_of_tools_arrive_in_pieces() {
    let call = |json: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{json}]}}}}]}}\n\n")
    };
    let events = vec![
        call(r#"{"index":0,"id":"a","function":{"name":"add","arguments":""}}"#),
        call(r#"{"index":0,"function":{"arguments":"{\"x\":1}"}}"#),
        call(r#"{"index":1,"id":"b","function":{"name":"sub","arguments":"{}"}}"#),
        END.to_owned(),
    ];
    let (_, offer) = Fake::open(vec![Turn::Stream(events)]).await;
    let answer = offer.backend.run(chat(false)).await.unwrap();
    let answer = answer.finish().await.unwrap();
    let Output::Generated(answers) = answer.output else {
        panic!("no text");
    };
    let calls: Vec<_> = answers[0]
        .tool_calls
        .iter()
        .map(|call| (call.name.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("add", "{\"x\":1}"), ("sub", "{}")]);
}

#[tokio::test]
async fn a_service_that_breaks_off_falls_silent_or_talks_nonsense_ends_in_an_error() {
    use ErrorKind::Unavailable;
    let some = || vec![piece("a"), piece("b")];
    let mut nonsense = some();
    nonsense.push("data: {\"choices\": heliotrope}\n\n".into());
    let mut short = some();
    short.push("data: [DONE]\n\n".into());
    fails(Turn::Cut(some()), Unavailable, "broke off").await;
    fails(Turn::Silent(some()), Unavailable, "fell silent").await;
    fails(Turn::Stream(some()), Unavailable, "cut off").await;
    fails(Turn::Stream(short), Unavailable, "cut off").await;
    fails(Turn::Stream(nonsense), Unavailable, "could not be read").await;
    fails(Turn::Whole("<html>"), Unavailable, "could not be read").await;
    fails(Turn::Stream(vec![]), Unavailable, "cut off").await;
    let mut throttled = some();
    throttled.push("data: {\"error\":{\"code\":429,\"message\":\"heliotrope\"}}\n\n".into());
    fails(Turn::Stream(throttled), ErrorKind::Overloaded, "429").await;
}

#[tokio::test]
async fn what_came_before_a_break_is_not_lost() {
    let events = (0..40).map(|index| piece(&format!("{index} "))).collect();
    let (_, offer) = Fake::open(vec![Turn::Cut(events)]).await;
    let (text, end) = read(offer.backend.run(chat(false)).await).await;
    assert!(text.ends_with("38 39 ") && end.is_err(), "{text}");
}

#[tokio::test]
async fn refusals_are_told_by_whose_doing_they_are() {
    let long = r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#;
    fails(
        Turn::Status(400, long),
        ErrorKind::ContextLengthExceeded,
        "too long",
    )
    .await;
    fails(Turn::Status(422, "{}"), ErrorKind::InvalidRequest, "422").await;
    let key = r#"{"error":{"message":"no such key: sk-heliotrope"}}"#;
    fails(
        Turn::Status(401, key),
        ErrorKind::Unavailable,
        "does not accept the key",
    )
    .await;
    fails(
        Turn::Status(404, "nothing"),
        ErrorKind::Unavailable,
        "the model",
    )
    .await;
    fails(Turn::Status(503, "<html>"), ErrorKind::Unavailable, "503").await;

    let (_, offer) = Fake::open(vec![Turn::Status(429, "{}")]).await;
    let (_, end) = read(offer.backend.run(chat(false)).await).await;
    assert_eq!(end.unwrap_err().retry_after(), Some(Duration::from_secs(7)));
    let (_, end) = read(offer.backend.run(chat(false)).await).await;
    let again = end.unwrap_err();
    assert!(
        again.log().contains("cannot serve now"),
        "it is left alone: {again:?}"
    );
}

#[tokio::test]
async fn content_goes_no_further_than_its_boundary() {
    let (fake, offer) = Fake::open(vec![]).await;
    let mut request = chat(false);
    request.context.boundary = Boundary::Private;
    let error = offer.backend.run(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyDenied);
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn an_answer_that_another_place_began_is_gone_on_with() {
    let events = vec![piece("lo"), END.to_owned()];
    let (fake, offer) = Fake::open(vec![Turn::Stream(events)]).await;
    let mut request = chat(false);
    request.continued = Some(Arc::new(inference_api::Continued {
        text: "Hel".into(),
        tokens: Vec::new(),
    }));
    let (text, end) = read(offer.backend.run(request).await).await;
    assert!(text == "lo" && end.is_ok());
    let (_, body) = fake.asked().remove(0);
    let last = serde_json::json!({ "role": "assistant", "content": "Hel" });
    assert_eq!(body["messages"][1], last);
    assert_eq!(body["continue_final_message"], true);
    assert_eq!(body["add_generation_prompt"], false);
}
