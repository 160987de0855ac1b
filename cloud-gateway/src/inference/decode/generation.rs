//! Conversations and texts that go on, from the wire into tasks that cannot be wrong. One way only.

use std::num::NonZeroU8;

use inference_api::{
    ChatTask, CompletionTask, InferenceError, Message, Prompt, ResponseFormat, Role, Sampling,
    Tool, ToolCall, ToolChoice,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tideline_proto::tideline::inference::v1 as wire;

/// Most messages, tools, stop texts and biases: as the public API has them.
const MAX_MESSAGES: usize = 4096;
const MAX_TOOLS: usize = 128;
const MAX_STOPS: usize = 16;
const MAX_BIASES: usize = 1024;
const MAX_CHOICES: u32 = 16;
const MAX_ALTERNATIVES: u32 = 20;

pub(super) fn chat(task: wire::Chat) -> Result<ChatTask, InferenceError> {
    if !(1..=MAX_MESSAGES).contains(&task.messages.len()) {
        let text = format!("expected 1 to {MAX_MESSAGES} messages");
        return Err(InferenceError::invalid(text).with_param("messages"));
    }
    if task.tools_json.len() > MAX_TOOLS {
        let text = format!("expected at most {MAX_TOOLS} tools");
        return Err(InferenceError::invalid(text).with_param("tools"));
    }
    let messages = task.messages.into_iter().map(message);
    let tools = task.tools_json.into_iter().map(tool);
    Ok(ChatTask {
        messages: messages.collect::<Result<_, _>>()?,
        tools: tools.collect::<Result<_, _>>()?,
        tool_choice: match task.tool_choice.as_str() {
            "" | "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => match other.strip_prefix("function:") {
                Some(name) => ToolChoice::Named(name.to_owned()),
                None => return Err(wrong("tool_choice")),
            },
        },
        format: format(&task.response_format_json)?,
        sampling: sampling(task.sampling.unwrap_or_default())?,
    })
}

pub(super) fn completion(task: wire::Completion) -> Result<CompletionTask, InferenceError> {
    use wire::completion::Prompt as Written;
    let prompt = match task.prompt {
        Some(Written::Text(text)) => Prompt::Text(text),
        Some(Written::Tokens(tokens)) => Prompt::Tokens(tokens.ids),
        None => return Err(wrong("prompt")),
    };
    Ok(CompletionTask {
        prompt,
        sampling: sampling(task.sampling.unwrap_or_default())?,
    })
}

fn message(message: wire::ChatMessage) -> Result<Message, InferenceError> {
    let call = |call: wire::ToolCall| ToolCall {
        id: call.id,
        name: call.name,
        arguments: call.arguments_json,
    };
    Ok(Message {
        role: Role::parse(&message.role).ok_or_else(|| wrong("messages"))?,
        content: message.content,
        tool_calls: message.tool_calls.into_iter().map(call).collect(),
        tool_call_id: Some(message.tool_call_id).filter(|id| !id.is_empty()),
    })
}

fn tool(json: String) -> Result<Tool, InferenceError> {
    #[derive(Deserialize)]
    struct Named {
        function: Function,
    }
    #[derive(Deserialize)]
    struct Function {
        name: String,
    }
    let named: Named = serde_json::from_str(&json).map_err(|_content| wrong("tools"))?;
    Ok(Tool {
        name: named.function.name,
        json: RawValue::from_string(json).map_err(|_content| wrong("tools"))?,
    })
}

fn format(json: &str) -> Result<ResponseFormat, InferenceError> {
    #[derive(Deserialize)]
    struct Format {
        r#type: String,
        json_schema: Option<Schema>,
    }
    #[derive(Deserialize)]
    struct Schema {
        schema: Box<RawValue>,
    }
    if json.is_empty() {
        return Ok(ResponseFormat::Text);
    }
    let format: Format = serde_json::from_str(json).map_err(|_content| wrong("response_format"))?;
    match (format.r#type.as_str(), format.json_schema) {
        ("text", _) => Ok(ResponseFormat::Text),
        ("json_object", _) => Ok(ResponseFormat::JsonObject),
        ("json_schema", Some(json)) => Ok(ResponseFormat::JsonSchema(json.schema)),
        _ => Err(wrong("response_format")),
    }
}

fn sampling(told: wire::Sampling) -> Result<Sampling, InferenceError> {
    let within = |value: Option<f32>, least: f32, most: f32, param: &'static str| match value {
        Some(value) if !(least..=most).contains(&value) => Err(wrong(param)),
        value => Ok(value),
    };
    let small = |value: u32, most: u32, param: &'static str| {
        let small = u8::try_from(value).ok().filter(|_| value <= most);
        small.ok_or_else(|| wrong(param))
    };
    let has_empty = told.stop.iter().any(String::is_empty);
    if told.stop.len() > MAX_STOPS || has_empty {
        return Err(wrong("stop"));
    }
    let bias = told.logit_bias.iter().map(|one| (one.token_id, one.bias));
    let bias: Vec<(u32, f32)> = bias.collect();
    if bias.len() > MAX_BIASES || bias.iter().any(|(_, by)| !(-100.0..=100.0).contains(by)) {
        return Err(wrong("logit_bias"));
    }
    let penalty = |value, param| within(value, -2.0, 2.0, param).map(|value| value.unwrap_or(0.0));
    Ok(Sampling {
        max_tokens: Some(told.max_tokens).filter(|most| *most > 0),
        temperature: within(told.temperature, 0.0, 2.0, "temperature")?,
        top_p: within(told.top_p, f32::MIN_POSITIVE, 1.0, "top_p")?,
        top_k: told.top_k,
        min_p: within(told.min_p, 0.0, 1.0, "min_p")?,
        seed: told.seed,
        frequency_penalty: penalty(told.frequency_penalty, "frequency_penalty")?,
        presence_penalty: penalty(told.presence_penalty, "presence_penalty")?,
        logit_bias: bias,
        stop: told.stop,
        choices: NonZeroU8::new(small(told.choices, MAX_CHOICES, "n")?),
        logprobs: told
            .logprobs
            .map(|count| small(count, MAX_ALTERNATIVES, "top_logprobs"))
            .transpose()?,
    })
}

fn wrong(param: &'static str) -> InferenceError {
    InferenceError::invalid(format!("`{param}` is not what it must be")).with_param(param)
}
