//! The body of a call, checked and typed.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::context::UserName;
use crate::error::InferenceError;
use crate::generation::{ChatTask, Message, ResponseFormat, Role, Tool, ToolCall, ToolChoice};
use crate::openai::parameters::{Parameters, missing, unsupported, wrong};
use crate::request::ModelSelector;

/// Most items of a conversation, and most tools.
const MAX_ITEMS: usize = 4096;
const MAX_TOOLS: usize = 128;

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) model: ModelSelector,
    pub(super) task: ChatTask,
    pub(super) user: Option<UserName>,
    pub(super) streams: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Items(Vec<Item>),
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    content: Option<Content>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Text {
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    schema: Option<Box<RawValue>>,
}

/// Reads a call.
pub(super) fn parse(body: &[u8]) -> Result<Call, InferenceError> {
    let mut parameters = Parameters::read(body)?;
    let model = parameters.model()?;
    let messages = messages(&mut parameters)?;
    nothing_kept(&mut parameters)?;
    let tools = tools(&mut parameters)?;
    let tool_choice = tool_choice(&mut parameters, &tools)?;
    let text: Option<Text> = parameters.take("text", "an object with a format")?;
    let format = format(text.and_then(|text| text.format))?;
    let most = parameters.take::<u32>("max_output_tokens", "a whole number above zero")?;
    if most == Some(0) {
        let text = "'max_output_tokens' must be above 0";
        return Err(wrong("max_output_tokens", text));
    }
    let mut sampling = parameters.sampling()?;
    sampling.max_tokens = most;
    sampling.choices = None;
    for ignored in [
        "include",
        "reasoning",
        "truncation",
        "max_tool_calls",
        "top_logprobs",
    ] {
        parameters.take::<serde::de::IgnoredAny>(ignored, "anything")?;
    }
    let streams = parameters.take("stream", "true or false")?.unwrap_or(false);
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
    })
}

/// The whole conversation, its instructions first.
fn messages(parameters: &mut Parameters<'_>) -> Result<Vec<Message>, InferenceError> {
    let mut messages = Vec::new();
    if let Some(instructions) = parameters.take::<String>("instructions", "a string")? {
        messages.push(Message::new(Role::System, instructions));
    }
    let input: Option<Input> = parameters.take("input", "a string or an array of items")?;
    match input.ok_or_else(|| missing("input"))? {
        Input::Text(text) => messages.push(Message::new(Role::User, text)),
        Input::Items(items) => {
            if !(1..=MAX_ITEMS).contains(&items.len()) {
                return Err(wrong(
                    "input",
                    &format!("'input' takes 1 to {MAX_ITEMS} items"),
                ));
            }
            for one in items {
                add(one, &mut messages)?;
            }
        }
    }
    Ok(messages)
}

/// Refuses what would need something kept from an earlier call.
fn nothing_kept(parameters: &mut Parameters<'_>) -> Result<(), InferenceError> {
    let kept = "nothing is kept between calls: send the whole conversation";
    for (name, message) in [
        ("previous_response_id", kept),
        ("conversation", kept),
        ("prompt", "no prompts are kept here"),
    ] {
        if parameters.take::<Value>(name, "anything")?.is_some() {
            return Err(unsupported(name, message));
        }
    }
    let waits: Option<bool> = parameters.take("background", "true or false")?;
    if waits.unwrap_or(false) {
        let text = "answers are given while the caller waits";
        return Err(unsupported("background", text));
    }
    Ok(())
}

/// An item of the conversation, as a message.
fn add(item: Item, messages: &mut Vec<Message>) -> Result<(), InferenceError> {
    let needs = |what: &str| wrong("input", &format!("an item of 'input' has no {what}"));
    match item.kind.as_deref().unwrap_or("message") {
        "message" => {
            let role = item.role.as_deref().and_then(Role::parse);
            let role = role.ok_or_else(|| needs("role that is known"))?;
            messages.push(Message::new(role, joined(item.content)?));
        }
        "function_call" => {
            let call = ToolCall {
                id: item.call_id.ok_or_else(|| needs("call_id"))?,
                name: item.name.ok_or_else(|| needs("name"))?,
                arguments: item.arguments.unwrap_or_default(),
            };
            // Calls that were made together stand in one message.
            match messages.last_mut() {
                Some(last) if last.role == Role::Assistant && !last.tool_calls.is_empty() => {
                    last.tool_calls.push(call);
                }
                _ => messages.push(Message {
                    tool_calls: vec![call],
                    ..Message::new(Role::Assistant, "")
                }),
            }
        }
        "function_call_output" => messages.push(Message {
            tool_call_id: Some(item.call_id.ok_or_else(|| needs("call_id"))?),
            ..Message::new(Role::Tool, joined(item.output)?)
        }),
        "reasoning" => {}
        _ => {
            let text = "items are messages, function calls and their outputs alone";
            return Err(unsupported("input", text));
        }
    }
    Ok(())
}

fn joined(content: Option<Content>) -> Result<String, InferenceError> {
    match content {
        None => Ok(String::new()),
        Some(Content::Text(text)) => Ok(text),
        Some(Content::Parts(parts)) => parts
            .into_iter()
            .map(|part| {
                let text = "input is taken as text alone: no images, sounds or files";
                part.text.ok_or_else(|| unsupported("input", text))
            })
            .collect(),
    }
}

fn tools(parameters: &mut Parameters<'_>) -> Result<Vec<Tool>, InferenceError> {
    #[derive(Deserialize)]
    struct Form {
        #[serde(rename = "type")]
        kind: String,
        name: Option<String>,
        description: Option<Value>,
        parameters: Option<Value>,
    }
    let forms: Option<Vec<Form>> = parameters.take("tools", "an array of functions")?;
    let forms = forms.unwrap_or_default();
    if forms.len() > MAX_TOOLS {
        return Err(wrong(
            "tools",
            &format!("'tools' takes at most {MAX_TOOLS} tools"),
        ));
    }
    let tool = |form: Form| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let name = match (form.kind.as_str(), form.name) {
            ("function", Some(name)) => name,
            ("function", None) => return Err(wrong("tools", "a function has no name")),
            _ => return Err(unsupported("tools", "tools are functions alone")),
        };
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
            let text = "functions are named with 1 to 64 letters, digits, `_` or `-`";
            return Err(wrong("tools", text));
        }
        let function = json!({
            "name": name,
            "description": form.description,
            "parameters": form.parameters,
        });
        let json = json!({ "type": "function", "function": function }).to_string();
        let json = RawValue::from_string(json);
        Ok(Tool {
            name,
            json: json.map_err(|error| InferenceError::internal().with_log(error))?,
        })
    };
    forms.into_iter().map(tool).collect()
}

fn tool_choice(
    parameters: &mut Parameters<'_>,
    tools: &[Tool],
) -> Result<ToolChoice, InferenceError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Word(String),
        Function { name: String },
    }
    const NAME: &str = "tool_choice";
    const EXPECTED: &str = "\"none\", \"auto\", \"required\" or a function";
    Ok(match parameters.take(NAME, EXPECTED)? {
        None => ToolChoice::Auto,
        Some(Form::Word(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" if !tools.is_empty() => ToolChoice::Required,
            "required" => {
                return Err(wrong(
                    NAME,
                    "'tool_choice' is required and there are no tools",
                ));
            }
            _ => return Err(wrong(NAME, &format!("'{NAME}' must be {EXPECTED}"))),
        },
        Some(Form::Function { name }) => {
            if tools.iter().all(|tool| tool.name != name) {
                return Err(wrong(NAME, "'tool_choice' names none of the tools"));
            }
            ToolChoice::Named(name)
        }
    })
}

fn format(format: Option<Format>) -> Result<ResponseFormat, InferenceError> {
    let Some(format) = format else {
        return Ok(ResponseFormat::Text);
    };
    match (format.kind.as_str(), format.schema) {
        ("text", _) => Ok(ResponseFormat::Text),
        ("json_object", _) => Ok(ResponseFormat::JsonObject),
        ("json_schema", Some(schema)) => Ok(ResponseFormat::JsonSchema(schema)),
        ("json_schema", None) => Err(wrong("text", "'text.format' has no schema")),
        _ => Err(wrong(
            "text",
            "'text.format.type' must be text, json_object or json_schema",
        )),
    }
}
