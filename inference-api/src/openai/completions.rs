//! `POST /v1/completions`: a text that goes on.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::events::{self, EventWriter, Usage, write_event};
use super::parameters::{Parameters, missing, unsupported, wrong};
use super::{read, respond};
use crate::context::UserName;
use crate::error::InferenceError;
use crate::front::Front;
use crate::generation::{CompletionTask, FinishReason, Prompt};
use crate::headers;
use crate::refusal::with_json;
use crate::request::{InferenceRequest, ModelSelector, Task};
use crate::stream::{Event, Output, Served};

/// Tokens of an answer of which nothing was said, as OpenAI has it.
const USUAL_TOKENS: u32 = 16;

pub(super) async fn create(State(front): State<Front>, headers: HeaderMap, body: Body) -> Response {
    respond(serve(&front, &headers, body).await)
}

async fn serve(front: &Front, headers: &HeaderMap, body: Body) -> Result<Response, InferenceError> {
    let (mut context, body) = read(front, headers, body).await?;
    let call = parse(&body)?;
    drop(body);
    context.caller.user = call.user;
    let task = Task::Completion(Arc::new(call.task));
    let request = InferenceRequest::new(call.model, task, context);
    let id = request.id.to_string();
    if call.streams {
        let stream = front.stream(request).await?;
        let chunks = Chunks {
            head: Head::new(&id, stream.served()),
            tells_usage: call.tells_usage,
        };
        return Ok(events::respond(stream, chunks));
    }
    let answer = front.answer(request).await?;
    let Output::Generated(answers) = &answer.output else {
        let log = "a completion was answered with something else";
        return Err(InferenceError::internal().with_log(log));
    };
    let choices = (0_u8..).zip(answers).map(|(index, one)| Choice {
        index,
        text: &one.text,
        logprobs: None,
        finish_reason: one.finish.map(FinishReason::name),
    });
    let whole = Completion {
        head: &Head::new(&id, &answer.served),
        choices: choices.collect(),
        usage: Some(Some(answer.usage.into())),
    };
    let mut response = with_json(StatusCode::OK, serde_json::to_vec(&whole));
    headers::write_answer(response.headers_mut(), &answer);
    Ok(response)
}

/// What a call asks for.
struct Call {
    model: ModelSelector,
    task: CompletionTask,
    user: Option<UserName>,
    streams: bool,
    tells_usage: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PromptForm {
    Text(String),
    Tokens(Vec<u32>),
    Texts(Vec<String>),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

fn parse(body: &[u8]) -> Result<Call, InferenceError> {
    let mut parameters = Parameters::read(body)?;
    let model = parameters.model()?;
    let prompt: Option<PromptForm> = parameters.take("prompt", "a string or token ids")?;
    let prompt = match prompt.ok_or_else(|| missing("prompt"))? {
        PromptForm::Text(text) => Prompt::Text(text),
        PromptForm::Tokens(ids) => Prompt::Tokens(ids),
        PromptForm::Texts(texts) => match <[String; 1]>::try_from(texts) {
            Ok([text]) => Prompt::Text(text),
            Err(_several) => return Err(one_prompt()),
        },
        PromptForm::Other(_) => return Err(one_prompt()),
    };
    let mut sampling = parameters.sampling()?;
    sampling.max_tokens = sampling.max_tokens.or(Some(USUAL_TOKENS));
    for (name, message) in [
        ("echo", "the prompt is not repeated"),
        ("suffix", "nothing is written in front of a suffix"),
        ("logprobs", "log probabilities are told for chats alone"),
    ] {
        let value: Option<serde_json::Value> = parameters.take(name, "anything")?;
        let asks = value.is_some_and(|value| value != false && value != "" && value != 0);
        if asks {
            return Err(unsupported(name, message));
        }
    }
    let best_of: Option<u32> = parameters.take("best_of", "a whole number")?;
    if best_of.is_some_and(|best_of| best_of > 1) {
        return Err(wrong(
            "best_of",
            "answers are not chosen here: ask for `n` of them",
        ));
    }
    let streams = parameters.take("stream", "true or false")?.unwrap_or(false);
    let options: Option<StreamOptions> =
        parameters.take("stream_options", "an object with include_usage")?;
    let user = parameters.user()?;
    parameters.finish()?;
    Ok(Call {
        model,
        task: CompletionTask { prompt, sampling },
        user,
        streams,
        tells_usage: options.is_some_and(|options| options.include_usage),
    })
}

fn one_prompt() -> InferenceError {
    unsupported("prompt", "one prompt is taken at a time")
}

#[derive(Debug, Serialize)]
struct Head {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
}

impl Head {
    fn new(id: &str, served: &Served) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            id: format!("cmpl-{id}"),
            object: "text_completion",
            created: now.map_or(0, |now| now.as_secs()),
            model: served.model.as_str().to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    #[serde(flatten)]
    head: &'a Head,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    text: &'a str,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

/// Writes an answer in pieces.
#[derive(Debug)]
struct Chunks {
    head: Head,
    tells_usage: bool,
}

impl Chunks {
    fn choice(&self, (index, text): (u8, &str), finish: Option<FinishReason>, out: &mut Vec<u8>) {
        let choice = Choice {
            index,
            text,
            logprobs: None,
            finish_reason: finish.map(FinishReason::name),
        };
        let chunk = Completion {
            head: &self.head,
            choices: vec![choice],
            usage: self.tells_usage.then_some(None),
        };
        write_event(&chunk, out);
    }
}

impl EventWriter for Chunks {
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Delta(delta) => self.choice((delta.choice, &delta.text), None, out),
            Event::Finished(choice, reason) => self.choice((*choice, ""), Some(*reason), out),
            Event::Usage(usage) if self.tells_usage => {
                let chunk = Completion {
                    head: &self.head,
                    choices: Vec::new(),
                    usage: Some(Some((*usage).into())),
                };
                write_event(&chunk, out);
            }
            Event::Served(served) => self.head.model = served.model.as_str().to_owned(),
            Event::Usage(_) | Event::ToolCall(_) | Event::Embeddings(_) | Event::Outputs(_) => {}
        }
    }
}
