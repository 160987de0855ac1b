//! The bodies that answer a chat call: whole, or in pieces.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::generation::{Delta, FinishReason, Generated, GeneratedToken, ToolCallDelta};
use crate::openai::events::{EventWriter, Place, Usage, opened, write_event_after};
use crate::stream::{Answer, Event, Served};

/// What is the same in every piece of one answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Head {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    system_fingerprint: Option<&'static str>,
}

impl Head {
    pub(super) fn new(id: &str, object: &'static str, served: &Served) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            id: format!("chatcmpl-{id}"),
            object,
            created: now.map_or(0, |now| now.as_secs()),
            model: served.model.as_str().to_owned(),
            system_fingerprint: None,
        }
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    #[serde(flatten)]
    head: &'a Head,
    choices: Vec<Choice<'a>>,
    usage: Usage,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<TokenLogprob<'a>>,
    refusal: Option<&'static str>,
}

#[derive(Serialize)]
struct TokenLogprob<'a> {
    token: String,
    logprob: f32,
    bytes: &'a [u8],
    top_logprobs: Vec<Alternative<'a>>,
}

#[derive(Serialize)]
struct Alternative<'a> {
    token: String,
    logprob: f32,
    bytes: &'a [u8],
}

fn logprobs(tokens: &[GeneratedToken]) -> Logprobs<'_> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let content = tokens.iter().map(|token| TokenLogprob {
        token: text(&token.bytes),
        logprob: token.logprob,
        bytes: &token.bytes,
        top_logprobs: token
            .alternatives
            .iter()
            .map(|(bytes, logprob)| Alternative {
                token: text(bytes),
                logprob: *logprob,
                bytes,
            })
            .collect(),
    });
    Logprobs {
        content: content.collect(),
        refusal: None,
    }
}

/// The whole answer.
pub(super) fn whole(
    head: &Head,
    answers: &[Generated],
    answer: &Answer,
    tells_logprobs: bool,
) -> serde_json::Result<Vec<u8>> {
    let choices = answers.iter().enumerate().map(|(index, one)| Choice {
        index,
        message: Message {
            role: "assistant",
            content: (!one.text.is_empty() || one.tool_calls.is_empty()).then_some(&one.text),
            refusal: None,
            tool_calls: one
                .tool_calls
                .iter()
                .map(|call| Call {
                    index: None,
                    id: Some(&call.id),
                    r#type: Some("function"),
                    function: Function {
                        name: Some(&call.name),
                        arguments: &call.arguments,
                    },
                })
                .collect(),
        },
        logprobs: tells_logprobs.then(|| logprobs(&one.tokens)),
        finish_reason: one.finish.map(FinishReason::name),
    });
    serde_json::to_vec(&Completion {
        head,
        choices: choices.collect(),
        usage: answer.usage.into(),
    })
}

#[derive(Serialize)]
struct Chunk<'a> {
    choices: &'a [Piece<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
    /// In the first piece and in the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    tideline: Option<&'a Place>,
}

#[derive(Serialize)]
struct Piece<'a> {
    index: u8,
    delta: DeltaForm<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct DeltaForm<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

/// Writes an answer in pieces.
#[derive(Debug)]
pub(super) struct Chunks {
    head: Head,
    /// The head as every piece begins with it.
    opened: Vec<u8>,
    place: Place,
    choices: u8,
    /// Answers that have ended.
    has_finished: u8,
    tells: Tells,
}

/// What pieces tell beside the answer itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tells {
    pub(super) usage: bool,
    pub(super) logprobs: bool,
}

impl Chunks {
    pub(super) fn new(head: Head, place: Place, choices: u8, tells: Tells) -> Self {
        Self {
            opened: opened(&head),
            head,
            place,
            choices,
            has_finished: 0,
            tells,
        }
    }

    fn piece(&self, piece: Piece<'_>, out: &mut Vec<u8>) {
        self.piece_at(piece, None, out);
    }

    fn piece_at(&self, piece: Piece<'_>, place: Option<&Place>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            choices: &[piece],
            usage: self.tells.usage.then_some(None),
            tideline: place,
        };
        write_event_after(&self.opened, &chunk, out);
    }

    fn delta(&self, delta: &Delta, out: &mut Vec<u8>) {
        let piece = Piece {
            index: delta.choice,
            delta: DeltaForm {
                content: Some(&delta.text),
                ..DeltaForm::default()
            },
            logprobs: self.tells.logprobs.then(|| logprobs(&delta.tokens)),
            finish_reason: None,
        };
        self.piece(piece, out);
    }

    fn call(&self, delta: &ToolCallDelta, out: &mut Vec<u8>) {
        let is_first = !delta.call.id.is_empty();
        let call = Call {
            index: Some(delta.index),
            id: is_first.then_some(delta.call.id.as_str()),
            r#type: is_first.then_some("function"),
            function: Function {
                name: is_first.then_some(delta.call.name.as_str()),
                arguments: &delta.call.arguments,
            },
        };
        let piece = Piece {
            index: delta.choice,
            delta: DeltaForm {
                tool_calls: vec![call],
                ..DeltaForm::default()
            },
            logprobs: None,
            finish_reason: None,
        };
        self.piece(piece, out);
    }
}

impl EventWriter for Chunks {
    fn begin(&mut self, out: &mut Vec<u8>) {
        for index in 0..self.choices {
            let delta = DeltaForm {
                role: Some("assistant"),
                content: Some(""),
                ..DeltaForm::default()
            };
            let piece = Piece {
                index,
                delta,
                logprobs: None,
                finish_reason: None,
            };
            self.piece_at(piece, (index == 0).then_some(&self.place), out);
        }
    }

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Delta(delta) => self.delta(delta, out),
            Event::ToolCall(delta) => self.call(delta, out),
            Event::Finished(choice, reason) => {
                let piece = Piece {
                    index: *choice,
                    delta: DeltaForm::default(),
                    logprobs: None,
                    finish_reason: Some(reason.name()),
                };
                self.has_finished = self.has_finished.saturating_add(1);
                // Where usage is told, that piece is the last.
                let is_last = !self.tells.usage && self.has_finished >= self.choices;
                self.piece_at(piece, is_last.then_some(&self.place), out);
            }
            Event::Served(served) => {
                self.head.model = served.model.as_str().to_owned();
                self.opened = opened(&self.head);
                self.place = Place::new(served);
            }
            Event::Usage(usage) if self.tells.usage => {
                let place = self.place.clone().with_cost(usage.cost_usd);
                let chunk = Chunk {
                    choices: &[],
                    usage: Some(Some((*usage).into())),
                    tideline: Some(&place),
                };
                write_event_after(&self.opened, &chunk, out);
            }
            Event::Usage(_) | Event::Embeddings(_) | Event::Outputs(_) => {}
        }
    }
}
