//! The body of a chat call, checked and typed.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::context::UserName;
use crate::error::InferenceError;
use crate::generation::{ChatTask, Message, ResponseFormat, Role, Tool, ToolCall, ToolChoice};
use crate::openai::parameters::{Parameters, missing, unsupported, wrong};
use crate::request::ModelSelector;

/// Most messages and tools of one call.
const MAX_MESSAGES: usize = 4096;
const MAX_TOOLS: usize = 128;
/// Most alternatives to a token.
const MAX_ALTERNATIVES: u8 = 20;

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) model: ModelSelector,
    pub(super) task: ChatTask,
    pub(super) user: Option<UserName>,
    /// Whether the answer comes in pieces.
    pub(super) streams: bool,
    /// Whether the last piece tells what it took.
    pub(super) tells_usage: bool,
}

#[derive(Deserialize)]
struct MessageForm {
    role: String,
    content: Option<Content>,
    tool_calls: Option<Vec<ToolCallForm>>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Deserialize)]
struct ToolCallForm {
    id: String,
    function: FunctionCall,
}

#[derive(Deserialize)]
struct FunctionCall {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct ToolForm {
    #[serde(rename = "type")]
    kind: String,
    function: FunctionForm,
}

#[derive(Deserialize)]
struct FunctionForm {
    name: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChoiceForm {
    Word(String),
    Tool { function: FunctionForm },
}

#[derive(Deserialize)]
struct FormatForm {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<SchemaForm>,
}

#[derive(Deserialize)]
struct SchemaForm {
    schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Reads a call.
pub(super) fn parse(body: &[u8]) -> Result<Call, InferenceError> {
    let mut parameters = Parameters::read(body)?;
    let model = parameters.model()?;
    let messages: Option<Vec<MessageForm>> = parameters.take(
        "messages",
        "an array of messages, each with a role and content",
    )?;
    let messages = messages.ok_or_else(|| missing("messages"))?;
    if !(1..=MAX_MESSAGES).contains(&messages.len()) {
        let text = format!("'messages' takes 1 to {MAX_MESSAGES} messages");
        return Err(wrong("messages", &text));
    }
    let messages = messages
        .into_iter()
        .map(message)
        .collect::<Result<_, _>>()?;
    let tools = tools(&mut parameters)?;
    let tool_choice = tool_choice(&mut parameters, &tools)?;
    let format = format(&mut parameters)?;
    let newer = parameters.take::<u32>("max_completion_tokens", "a whole number above zero")?;
    let mut sampling = parameters.sampling()?;
    match (newer, sampling.max_tokens) {
        (Some(0), _) => {
            let text = "'max_completion_tokens' must be above 0";
            return Err(wrong("max_completion_tokens", text));
        }
        (Some(newer), Some(older)) if newer != older => {
            let text = "'max_tokens' and 'max_completion_tokens' differ";
            return Err(wrong("max_completion_tokens", text));
        }
        (newer, older) => sampling.max_tokens = newer.or(older),
    }
    sampling.logprobs = logprobs(&mut parameters)?;
    let streams = parameters.take("stream", "true or false")?.unwrap_or(false);
    let options: Option<StreamOptions> =
        parameters.take("stream_options", "an object with include_usage")?;
    only_text(&mut parameters)?;
    let user = parameters.user()?;
    parameters.finish()?;
    Ok(Call {
        model,
        task: ChatTask {
            messages,
            tools,
            tool_choice,
            format,
            sampling,
        },
        user,
        streams,
        tells_usage: options.is_some_and(|options| options.include_usage),
    })
}

fn message(form: MessageForm) -> Result<Message, InferenceError> {
    let role = Role::parse(&form.role).ok_or_else(|| {
        let text = "a role must be system, developer, user, assistant or tool";
        wrong("messages", text)
    })?;
    let content = match form.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => joined(parts)?,
    };
    let call = |call: ToolCallForm| ToolCall {
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments,
    };
    let tool_calls: Vec<ToolCall> = form
        .tool_calls
        .unwrap_or_default()
        .into_iter()
        .map(call)
        .collect();
    if tool_calls.len() > MAX_TOOLS {
        return Err(wrong(
            "messages",
            &format!("a message has at most {MAX_TOOLS} tool_calls"),
        ));
    }
    Ok(Message {
        role,
        content,
        tool_calls,
        tool_call_id: form.tool_call_id,
    })
}

fn joined(parts: Vec<Part>) -> Result<String, InferenceError> {
    let mut content = String::new();
    for part in parts {
        match (part.kind.as_str(), part.text) {
            ("text", Some(text)) => content.push_str(&text),
            ("text", None) => return Err(wrong("messages", "a part of text has no 'text'")),
            _ => {
                let text = "messages are taken as text alone: no images, sounds or files";
                return Err(unsupported("messages", text));
            }
        }
    }
    Ok(content)
}

fn tools(parameters: &mut Parameters<'_>) -> Result<Vec<Tool>, InferenceError> {
    let raw: Option<Vec<Box<RawValue>>> = parameters.take("tools", "an array of tools")?;
    let raw = raw.unwrap_or_default();
    if raw.len() > MAX_TOOLS {
        return Err(wrong(
            "tools",
            &format!("'tools' takes at most {MAX_TOOLS} tools"),
        ));
    }
    let tool = |(index, json): (usize, Box<RawValue>)| {
        let expected = |what| wrong("tools", &format!("'tools[{index}]' {what}"));
        let form: ToolForm = serde_json::from_str(json.get())
            .map_err(|_content| expected("must have a type and a function with a name"))?;
        if form.kind != "function" {
            return Err(unsupported("tools", "tools are functions alone"));
        }
        let name = form.function.name;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(expected(
                "must be named with 1 to 64 letters, digits, `_` or `-`",
            ));
        }
        Ok(Tool { name, json })
    };
    raw.into_iter().enumerate().map(tool).collect()
}

fn tool_choice(
    parameters: &mut Parameters<'_>,
    tools: &[Tool],
) -> Result<ToolChoice, InferenceError> {
    const NAME: &str = "tool_choice";
    const EXPECTED: &str = "\"none\", \"auto\", \"required\" or a function";
    Ok(match parameters.take(NAME, EXPECTED)? {
        None => ToolChoice::Auto,
        Some(ChoiceForm::Word(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" if tools.is_empty() => {
                return Err(wrong(
                    NAME,
                    "'tool_choice' is required and there are no tools",
                ));
            }
            "required" => ToolChoice::Required,
            _ => return Err(wrong(NAME, &format!("'{NAME}' must be {EXPECTED}"))),
        },
        Some(ChoiceForm::Tool { function }) => {
            if tools.iter().all(|tool| tool.name != function.name) {
                return Err(wrong(NAME, "'tool_choice' names none of the tools"));
            }
            ToolChoice::Named(function.name)
        }
    })
}

fn format(parameters: &mut Parameters<'_>) -> Result<ResponseFormat, InferenceError> {
    const NAME: &str = "response_format";
    let form: Option<FormatForm> = parameters.take(NAME, "an object with a type")?;
    let Some(form) = form else {
        return Ok(ResponseFormat::Text);
    };
    match (
        form.kind.as_str(),
        form.json_schema.and_then(|schema| schema.schema),
    ) {
        ("text", _) => Ok(ResponseFormat::Text),
        ("json_object", _) => Ok(ResponseFormat::JsonObject),
        ("json_schema", Some(schema)) => Ok(ResponseFormat::JsonSchema(schema)),
        ("json_schema", None) => Err(wrong(NAME, "'response_format.json_schema' has no schema")),
        _ => Err(wrong(
            NAME,
            "'response_format.type' must be text, json_object or json_schema",
        )),
    }
}

fn logprobs(parameters: &mut Parameters<'_>) -> Result<Option<u8>, InferenceError> {
    let wanted: Option<bool> = parameters.take("logprobs", "true or false")?;
    let expected = format_args!("a whole number from 0 to {MAX_ALTERNATIVES}");
    let alternatives: Option<u8> = parameters.take("top_logprobs", expected)?;
    match (wanted.unwrap_or(false), alternatives) {
        (_, Some(count)) if count > MAX_ALTERNATIVES => Err(wrong(
            "top_logprobs",
            &format!("'top_logprobs' must be {expected}"),
        )),
        (false, Some(count)) if count > 0 => Err(wrong(
            "top_logprobs",
            "'top_logprobs' needs 'logprobs' to be true",
        )),
        (false, _) => Ok(None),
        (true, count) => Ok(Some(count.unwrap_or(0))),
    }
}

fn only_text(parameters: &mut Parameters<'_>) -> Result<(), InferenceError> {
    let modalities: Option<Vec<String>> = parameters.take("modalities", "an array of strings")?;
    if modalities.is_some_and(|all| all.iter().any(|one| one != "text")) {
        return Err(unsupported("modalities", "answers are text alone"));
    }
    Ok(())
}
