//! A service's answer, into one that cannot be wrong. One way only; what does not fit what was asked
//! is the service's fault, and is never passed on.

mod form;

use std::collections::VecDeque;

use bytes::Bytes;
use hyper::body::Body;
use inference_api::{
    Delta, Event, FinishReason, Generated, Output, Task, ToolCall, ToolCallDelta, Usage,
};

use self::form::{ChoiceForm, ChunkForm, EmbeddingsForm, MessageForm, UsageForm, WholeForm};
use super::failure;
use super::sse::Events;
use crate::backends::upstream::{Failure, Reply};

/// Most calls of one answer.
const MAX_CALLS: u8 = 128;

/// What was asked, as far as an answer must fit it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// So many vectors.
    Vectors(usize),
    /// So many answers.
    Answers(u8),
}

impl Asked {
    /// `None` for what this API does not take.
    pub(super) fn of(task: &Task) -> Option<Self> {
        match task {
            Task::Embedding(task) => Some(Self::Vectors(task.inputs.len())),
            Task::Chat(_) | Task::Completion(_) | Task::Infer(_) => task
                .sampling()
                .map(|sampling| Self::Answers(sampling.answers())),
        }
    }
}

fn unfit(what: &'static str) -> Failure {
    Failure::of_address(what)
}

/// An answer that came at once.
pub(super) fn whole(body: &[u8], asked: Asked) -> Result<Reply, Failure> {
    match asked {
        Asked::Vectors(count) => {
            let form: EmbeddingsForm = serde_json::from_slice(body)
                .map_err(|_content| unfit("its vectors could not be read"))?;
            vectors(form, count)
        }
        Asked::Answers(count) => {
            let form: WholeForm = serde_json::from_slice(body)
                .map_err(|_content| unfit("its answer could not be read"))?;
            answers(form, count)
        }
    }
}

fn vectors(form: EmbeddingsForm, count: usize) -> Result<Reply, Failure> {
    let mut data = form.data;
    data.sort_by_key(|one| one.index);
    let vectors: Vec<Vec<f32>> = data.into_iter().map(|one| one.embedding).collect();
    let dimensions = vectors.first().map_or(0, Vec::len);
    let is_fit = |vector: &Vec<f32>| {
        vector.len() == dimensions && vector.iter().all(|value| value.is_finite())
    };
    if vectors.len() != count || dimensions == 0 || !vectors.iter().all(is_fit) {
        return Err(unfit(
            "its vectors were not as many or as long as they must be",
        ));
    }
    Ok(Reply::Whole(
        Output::Embeddings(vectors),
        usage(&form.usage.unwrap_or_default()),
    ))
}

fn answers(form: WholeForm, count: u8) -> Result<Reply, Failure> {
    let mut all = vec![Generated::default(); count.into()];
    for choice in form.choices {
        let one = all.get_mut(usize::from(choice.index));
        let one = one.ok_or_else(|| unfit("it numbered an answer that nobody asked for"))?;
        let reason = choice.finish_reason.as_deref();
        one.finish = Some(reason.map_or(FinishReason::Stop, finish));
        one.tokens = choice
            .logprobs
            .map(form::Logprobs::tokens)
            .unwrap_or_default();
        let message = choice.message.unwrap_or_default();
        let (text, calls) = said(message, choice.text);
        one.text = text.unwrap_or_default();
        one.tool_calls = calls
            .into_iter()
            .map(form::CallForm::whole)
            .collect::<Option<_>>()
            .ok_or_else(|| unfit("it called a tool without a name"))?;
    }
    if all.iter().any(|one| one.finish.is_none()) {
        return Err(unfit("it gave fewer answers than were asked for"));
    }
    let usage = usage(&form.usage.unwrap_or_default());
    Ok(Reply::Whole(Output::Generated(all), usage))
}

/// The text and the calls of a message, or of a piece of one.
fn said(message: MessageForm, text: Option<String>) -> (Option<String>, Vec<form::CallForm>) {
    let text = message.content.or(message.refusal).or(text);
    (text, message.tool_calls.unwrap_or_default())
}

fn finish(reason: &str) -> FinishReason {
    match FinishReason::parse(reason) {
        Some(reason) => reason,
        None if reason == "function_call" => FinishReason::ToolCalls,
        // Reasons of their own, such as `eos` or `abort`: the answer has ended.
        None => FinishReason::Stop,
    }
}

fn usage(form: &UsageForm) -> Usage {
    let cached = form.prompt_tokens_details.as_ref();
    Usage {
        prompt_tokens: form.prompt_tokens,
        completion_tokens: form.completion_tokens,
        cached_tokens: cached.map_or(0, |details| details.cached_tokens.unwrap_or(0)),
        ..Usage::default()
    }
}

/// The events of an answer that flows.
pub(super) struct Chunks<B> {
    events: Events<B>,
    next: VecDeque<Event>,
    /// Whether each answer has ended.
    ended: Vec<bool>,
    /// How many calls each has begun.
    calls: Vec<u8>,
    usage: Option<UsageForm>,
    /// Pieces of text: what is counted where the service counts nothing.
    pieces: u32,
    is_over: bool,
}

impl<B> Chunks<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    pub(super) fn new(events: Events<B>, asked: Asked) -> Self {
        let count = match asked {
            Asked::Answers(count) => count.into(),
            Asked::Vectors(_) => 0,
        };
        Self {
            events,
            next: VecDeque::new(),
            ended: vec![false; count],
            calls: vec![0; count],
            usage: None,
            pieces: 0,
            is_over: false,
        }
    }

    /// The next event; the last is the usage. After an error there is nothing more.
    pub(super) async fn next(&mut self) -> Option<Result<Event, Failure>> {
        loop {
            if let Some(event) = self.next.pop_front() {
                return Some(Ok(event));
            }
            if self.is_over {
                return None;
            }
            if let Err(failure) = self.read().await {
                self.is_over = true;
                return Some(Err(failure));
            }
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let data = self.events.next().await?;
        let is_done = data.as_deref().is_none_or(|data| data == b"[DONE]");
        if let (Some(data), false) = (&data, is_done) {
            let chunk: ChunkForm = serde_json::from_slice(data)
                .map_err(|_content| unfit("an event of its answer could not be read"))?;
            return self.take(chunk);
        }
        // What ends without saying so was cut off.
        if !self.ended.iter().all(|ended| *ended) {
            return Err(unfit("its answer was cut off"));
        }
        let mut usage = self.usage.take().as_ref().map(usage).unwrap_or_default();
        if usage.completion_tokens == 0 {
            usage.completion_tokens = self.pieces;
        }
        self.next.push_back(Event::Usage(usage));
        self.is_over = true;
        Ok(())
    }

    fn take(&mut self, chunk: ChunkForm) -> Result<(), Failure> {
        if let Some(error) = &chunk.error {
            return Err(failure::in_stream(error));
        }
        self.usage = chunk.usage.or(self.usage.take());
        for choice in chunk.choices {
            self.take_choice(choice)?;
        }
        Ok(())
    }

    fn take_choice(&mut self, choice: ChoiceForm) -> Result<(), Failure> {
        let index = usize::from(choice.index);
        if self.ended.get(index).is_none_or(|ended| *ended) {
            return Err(unfit("it went on with an answer that nobody waits for"));
        }
        let (text, calls) = said(choice.delta.unwrap_or_default(), choice.text);
        let tokens = choice
            .logprobs
            .map(form::Logprobs::tokens)
            .unwrap_or_default();
        let text = text.unwrap_or_default();
        if !text.is_empty() || !tokens.is_empty() {
            self.pieces = self.pieces.saturating_add(1);
            self.next.push_back(Event::Delta(Delta {
                choice: choice.index,
                text,
                tokens,
            }));
        }
        for call in calls {
            let call = self.call(choice.index, call)?;
            self.next.push_back(Event::ToolCall(call));
        }
        if let Some(reason) = choice.finish_reason {
            if let Some(ended) = self.ended.get_mut(index) {
                *ended = true;
            }
            let finished = Event::Finished(choice.index, finish(&reason));
            self.next.push_back(finished);
        }
        Ok(())
    }

    /// A piece of a call: the first of each names it, and they begin in their order.
    fn call(&mut self, choice: u8, form: form::CallForm) -> Result<ToolCallDelta, Failure> {
        let begun = self.calls.get_mut(usize::from(choice));
        let begun = begun.ok_or_else(|| unfit("it called a tool in no answer"))?;
        let index = form.index.unwrap_or(if form.id.is_some() {
            *begun
        } else {
            begun.saturating_sub(1)
        });
        let call = if index == *begun && index < MAX_CALLS {
            *begun += 1;
            form.whole()
        } else if index < *begun {
            Some(ToolCall {
                id: String::new(),
                name: String::new(),
                arguments: form.function.arguments.unwrap_or_default(),
            })
        } else {
            None
        };
        let call = call.ok_or_else(|| unfit("it called tools out of their order"))?;
        Ok(ToolCallDelta {
            choice,
            index,
            call,
        })
    }
}
