//! A request as OpenAI's API takes it. One way only.

use std::borrow::Cow;

use inference_api::{
    ChatTask, CompletionTask, EmbeddingInput, EmbeddingTask, Message, Prompt, ResponseFormat, Role,
    Sampling, Task, ToolCall, ToolChoice,
};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::config::{ChatContinuation, MaxTokensParameter};

/// What is said beside the request itself.
pub(super) struct Terms<'t> {
    /// The model's name at the service.
    pub(super) model: &'t str,
    pub(super) streams: bool,
    pub(super) max_tokens: MaxTokensParameter,
    /// The beginning of the answer, and how the service goes on with it.
    pub(super) continued: Option<(&'t str, ChatContinuation)>,
}

/// The service cannot go on with an answer that another place began.
pub(super) struct CannotGoOn;

#[derive(Serialize)]
struct ChatBody<'t> {
    model: &'t str,
    messages: Vec<MessageForm<'t>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<&'t RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Cow<'t, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<FormatForm<'t>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continue_final_message: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    add_generation_prompt: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u8>,
    #[serde(flatten)]
    drawing: Drawing<'t>,
    #[serde(flatten)]
    stream: StreamForm,
}

#[derive(Serialize)]
struct CompletionBody<'t> {
    model: &'t str,
    prompt: PromptForm<'t>,
    #[serde(flatten)]
    drawing: Drawing<'t>,
    #[serde(flatten)]
    stream: StreamForm,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PromptForm<'t> {
    Text(&'t str),
    Longer(String),
    Tokens(&'t [u32]),
}

#[derive(Serialize)]
struct EmbeddingBody<'t> {
    model: &'t str,
    input: Vec<PromptForm<'t>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    encoding_format: &'static str,
}

#[derive(Serialize)]
struct MessageForm<'t> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'t str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallForm<'t>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<bool>,
}

#[derive(Serialize)]
struct CallForm<'t> {
    id: &'t str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionForm<'t>,
}

#[derive(Serialize)]
struct FunctionForm<'t> {
    name: &'t str,
    arguments: &'t str,
}

#[derive(Serialize)]
struct FormatForm<'t> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<SchemaForm<'t>>,
}

#[derive(Serialize)]
struct SchemaForm<'t> {
    name: &'static str,
    schema: &'t RawValue,
    strict: bool,
}

/// How tokens are drawn: what the caller said, and nothing else.
#[derive(Serialize)]
struct Drawing<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    frequency_penalty: f32,
    #[serde(skip_serializing_if = "is_zero")]
    presence_penalty: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    logit_bias: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'t [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u8>,
}

#[derive(Serialize)]
struct StreamForm {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde gives a reference, and unset is exactly zero"
)]
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

/// The body of the call.
pub(super) fn body(task: &Task, terms: &Terms<'_>) -> Result<Vec<u8>, CannotGoOn> {
    let written = match task {
        Task::Chat(task) => serde_json::to_vec(&chat(task, terms)?),
        Task::Completion(task) => serde_json::to_vec(&completion(task, terms)?),
        Task::Embedding(task) => serde_json::to_vec(&embedding(task, terms)),
        Task::Infer(_) => Ok(Vec::new()),
    };
    // Plain values into memory: nothing here can fail.
    Ok(written.unwrap_or_default())
}

fn chat<'t>(task: &'t ChatTask, terms: &Terms<'t>) -> Result<ChatBody<'t>, CannotGoOn> {
    let mut messages: Vec<_> = task.messages.iter().map(message).collect();
    if let Some((text, how)) = terms.continued {
        messages.push(MessageForm {
            role: Role::Assistant.name(),
            content: Some(text),
            tool_calls: Vec::new(),
            tool_call_id: None,
            prefix: match how {
                ChatContinuation::None => return Err(CannotGoOn),
                ChatContinuation::ContinueFinalMessage => None,
                ChatContinuation::Prefix => Some(true),
            },
        });
    }
    let is_flagged = matches!(
        terms.continued,
        Some((_, ChatContinuation::ContinueFinalMessage))
    );
    let sampling = &task.sampling;
    let format = |kind, schema| FormatForm {
        kind,
        json_schema: schema,
    };
    Ok(ChatBody {
        model: terms.model,
        messages,
        continue_final_message: is_flagged.then_some(true),
        add_generation_prompt: is_flagged.then_some(false),
        tools: task.tools.iter().map(|tool| &*tool.json).collect(),
        tool_choice: match &task.tool_choice {
            ToolChoice::Auto => None,
            ToolChoice::None => Some(Cow::Owned(json!("none"))),
            ToolChoice::Required => Some(Cow::Owned(json!("required"))),
            ToolChoice::Named(name) => Some(Cow::Owned(
                json!({ "type": "function", "function": { "name": name } }),
            )),
        },
        response_format: match &task.format {
            ResponseFormat::Text => None,
            ResponseFormat::JsonObject => Some(format("json_object", None)),
            ResponseFormat::JsonSchema(schema) => {
                let schema = SchemaForm {
                    name: "answer",
                    schema,
                    strict: true,
                };
                Some(format("json_schema", Some(schema)))
            }
        },
        logprobs: sampling.logprobs.map(|_| true),
        top_logprobs: sampling.logprobs.filter(|count| *count > 0),
        drawing: drawing(sampling, terms.max_tokens),
        stream: stream(terms.streams),
    })
}

fn completion<'t>(
    task: &'t CompletionTask,
    terms: &Terms<'t>,
) -> Result<CompletionBody<'t>, CannotGoOn> {
    Ok(CompletionBody {
        model: terms.model,
        prompt: match (&task.prompt, terms.continued) {
            (Prompt::Text(text), None) => PromptForm::Text(text),
            (Prompt::Text(text), Some((begun, _))) => PromptForm::Longer(format!("{text}{begun}")),
            (Prompt::Tokens(ids), None) => PromptForm::Tokens(ids),
            (Prompt::Tokens(_), Some(_)) => return Err(CannotGoOn),
        },
        // Completions have the older name alone.
        drawing: drawing(&task.sampling, MaxTokensParameter::MaxTokens),
        stream: stream(terms.streams),
    })
}

fn embedding<'t>(task: &'t EmbeddingTask, terms: &Terms<'t>) -> EmbeddingBody<'t> {
    let input = |input: &'t EmbeddingInput| match input {
        EmbeddingInput::Text(text) => PromptForm::Text(text),
        EmbeddingInput::Tokens(ids) => PromptForm::Tokens(ids),
    };
    EmbeddingBody {
        model: terms.model,
        input: task.inputs.iter().map(input).collect(),
        dimensions: task.dimensions.map(std::num::NonZeroU32::get),
        encoding_format: "float",
    }
}

fn message(message: &Message) -> MessageForm<'_> {
    let says_nothing = message.content.is_empty() && !message.tool_calls.is_empty();
    MessageForm {
        role: message.role.name(),
        content: (!says_nothing).then_some(&message.content),
        tool_calls: message.tool_calls.iter().map(call).collect(),
        tool_call_id: message.tool_call_id.as_deref(),
        prefix: None,
    }
}

fn call(call: &ToolCall) -> CallForm<'_> {
    CallForm {
        id: &call.id,
        kind: "function",
        function: FunctionForm {
            name: &call.name,
            arguments: &call.arguments,
        },
    }
}

fn drawing(sampling: &Sampling, named: MaxTokensParameter) -> Drawing<'_> {
    let (max_tokens, max_completion_tokens) = match named {
        MaxTokensParameter::MaxTokens => (sampling.max_tokens, None),
        MaxTokensParameter::MaxCompletionTokens => (None, sampling.max_tokens),
    };
    let bias = sampling.logit_bias.iter();
    let bias: serde_json::Map<_, _> = bias
        .map(|(id, bias)| (id.to_string(), json!(bias)))
        .collect();
    Drawing {
        max_tokens,
        max_completion_tokens,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        min_p: sampling.min_p,
        seed: sampling.seed,
        frequency_penalty: sampling.frequency_penalty,
        presence_penalty: sampling.presence_penalty,
        logit_bias: (!bias.is_empty()).then_some(bias),
        stop: &sampling.stop,
        n: sampling
            .choices
            .map(std::num::NonZeroU8::get)
            .filter(|n| *n > 1),
    }
}

fn stream(streams: bool) -> StreamForm {
    StreamForm {
        stream: streams,
        stream_options: streams.then_some(StreamOptions {
            include_usage: true,
        }),
    }
}
