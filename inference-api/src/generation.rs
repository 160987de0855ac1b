//! Text to be generated: what is asked, and the pieces that come of it.
//!
//! `Debug` shows counts and names, never content.

use std::fmt;
use std::num::NonZeroU8;

use serde_json::value::RawValue;

/// A conversation to go on with.
#[derive(Clone, Debug, Default)]
pub struct ChatTask {
    /// The conversation so far, oldest first; at least one.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must.
    pub tool_choice: ToolChoice,
    /// The shape of the answer.
    pub format: ResponseFormat,
    /// How the answer is drawn.
    pub sampling: Sampling,
}

/// A text to go on with.
#[derive(Clone, Debug)]
pub struct CompletionTask {
    /// What stands before.
    pub prompt: Prompt,
    /// How the rest is drawn.
    pub sampling: Sampling,
}

/// What stands before a completion.
#[derive(Clone, PartialEq, Eq)]
pub enum Prompt {
    /// As characters.
    Text(String),
    /// As the model's own token ids.
    Tokens(Vec<u32>),
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Tokens(ids) => write!(f, "Tokens({} ids)", ids.len()),
        }
    }
}

/// One message of a conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; empty when an assistant only calls tools.
    pub content: String,
    /// Tools that the assistant called.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's message answers.
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message that is text alone.
    #[must_use]
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            role,
            content,
            tool_calls,
            ..
        } = self;
        write!(
            f,
            "{}: {} bytes, {} calls",
            role.name(),
            content.len(),
            tool_calls.len()
        )
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Who sets the terms; `developer` is another name for it.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// What a tool gave.
    Tool,
}

impl Role {
    /// The name used on the wire and in chat templates.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "system" | "developer" => Self::System,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" => Self::Tool,
            _ => return None,
        })
    }
}

/// A call of a tool by the model.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Names the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments, as the model wrote them: usually JSON, never assumed to be.
    pub arguments: String,
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolCall({} bytes)", self.arguments.len())
    }
}

/// A tool that the model may call.
#[derive(Clone)]
pub struct Tool {
    /// Its name: 1 to 64 letters, digits, `_` and `-`.
    pub name: String,
    /// All of it as OpenAI writes it: `{"type": "function", "function": …}`.
    pub json: Box<RawValue>,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tool({} bytes)", self.json.get().len())
    }
}

/// Whether tools are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The shape of an answer.
#[derive(Clone, Default)]
pub enum ResponseFormat {
    /// Any text.
    #[default]
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that fits this schema.
    JsonSchema(Box<RawValue>),
}

impl fmt::Debug for ResponseFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "Text",
            Self::JsonObject => "JsonObject",
            Self::JsonSchema(_) => "JsonSchema",
        })
    }
}

/// How tokens are drawn. What is unset is the model's own, from its generation config.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// Most tokens of the answer.
    pub max_tokens: Option<u32>,
    /// 0 always takes the likeliest; 0 to 2.
    pub temperature: Option<f32>,
    /// Only the likeliest tokens that together have this probability; above 0, at most 1.
    pub top_p: Option<f32>,
    /// Only so many of the likeliest; 0 is all.
    pub top_k: Option<u32>,
    /// Only tokens at least this likely, as a part of the likeliest one's probability.
    pub min_p: Option<f32>,
    /// The same seed gives the same answer.
    pub seed: Option<u64>,
    /// Taken off for each time that a token stands in the answer; -2 to 2.
    pub frequency_penalty: f32,
    /// Taken off when a token stands in the answer; -2 to 2.
    pub presence_penalty: f32,
    /// Added to the logits of single tokens; -100 to 100.
    pub logit_bias: Vec<(u32, f32)>,
    /// Texts that end the answer and are not part of it; at most 16, none empty.
    pub stop: Vec<String>,
    /// How many answers; one when unset.
    pub choices: Option<NonZeroU8>,
    /// Whether tokens' log probabilities are wanted, with so many alternatives (0 to 20).
    pub logprobs: Option<u8>,
}

impl Sampling {
    /// How many answers are drawn.
    #[must_use]
    pub fn answers(&self) -> u8 {
        self.choices.map_or(1, NonZeroU8::get)
    }
}

/// The beginning of an answer that its caller has already.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Continued {
    /// Its text, as it was told.
    pub text: String,
    /// The tokens that it came of, by the ids of the model that drew them; empty when unknown.
    pub tokens: Vec<u32>,
}

impl fmt::Debug for Continued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Continued({} bytes, {} tokens)",
            self.text.len(),
            self.tokens.len()
        )
    }
}

/// A piece of one answer.
#[derive(Clone, Default, PartialEq)]
pub struct Delta {
    /// Which of the answers, from 0.
    pub choice: u8,
    /// More text; whole characters, never a part of one.
    pub text: String,
    /// The tokens that it came of, so that another placement can go on from there. Their log
    /// probabilities only where asked for.
    pub tokens: Vec<GeneratedToken>,
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Delta({}, {} bytes, {} tokens)",
            self.choice,
            self.text.len(),
            self.tokens.len()
        )
    }
}

/// A token that was drawn.
#[derive(Clone, PartialEq)]
pub struct GeneratedToken {
    /// The model's id for it; `None` where what drew it does not tell.
    pub id: Option<u32>,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Its text as bytes, where log probabilities are wanted: a part of a character sometimes.
    pub bytes: Vec<u8>,
    /// The likeliest tokens in its place, likeliest first.
    pub alternatives: Vec<(Vec<u8>, f32)>,
}

impl fmt::Debug for GeneratedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneratedToken")
    }
}

/// A piece of a tool's call.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolCallDelta {
    /// Which of the answers, from 0.
    pub choice: u8,
    /// Which of its calls, from 0.
    pub index: u8,
    /// Names the call and the tool in the first piece; empty after it. Its arguments are more of them.
    pub call: ToolCall,
}

impl fmt::Debug for ToolCallDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ToolCallDelta({}, {}, {:?})",
            self.choice, self.index, self.call
        )
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, or a stop text did.
    Stop,
    /// It reached its most tokens, or the end of the model's context.
    Length,
    /// It calls tools.
    ToolCalls,
    /// An upstream would not go on.
    ContentFilter,
}

impl FinishReason {
    /// The name used on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Stop,
            Self::Length,
            Self::ToolCalls,
            Self::ContentFilter,
        ];
        all.into_iter().find(|reason| reason.name() == name)
    }
}

/// One whole answer.
#[derive(Clone, Default, PartialEq)]
pub struct Generated {
    /// Its text.
    pub text: String,
    /// The tools that it calls.
    pub tool_calls: Vec<ToolCall>,
    /// Its tokens.
    pub tokens: Vec<GeneratedToken>,
    /// Why it ended; `None` while it has not.
    pub finish: Option<FinishReason>,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Generated({} bytes, {} calls, {:?})",
            self.text.len(),
            self.tool_calls.len(),
            self.finish
        )
    }
}

impl Generated {
    /// Adds a piece of text.
    pub(crate) fn push(&mut self, delta: Delta) {
        self.text.push_str(&delta.text);
        self.tokens.extend(delta.tokens);
    }

    /// Adds a piece of a call; one that belongs to no call is dropped.
    pub(crate) fn push_call(&mut self, delta: ToolCallDelta) {
        let index = usize::from(delta.index);
        if index == self.tool_calls.len() {
            self.tool_calls.push(delta.call);
        } else if let Some(call) = self.tool_calls.get_mut(index) {
            call.arguments.push_str(&delta.call.arguments);
        }
    }
}
