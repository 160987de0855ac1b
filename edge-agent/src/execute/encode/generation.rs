//! Conversations and texts that go on, as they travel to a site. One way only.

use inference_api::{
    ChatTask, CompletionTask, Message, Prompt, ResponseFormat, Sampling, ToolCall, ToolChoice,
};
use tideline_proto::tideline::inference::v1 as wire;

pub(super) fn chat(task: &ChatTask) -> wire::Chat {
    wire::Chat {
        messages: task.messages.iter().map(message).collect(),
        sampling: Some(sampling(&task.sampling)),
        tools_json: task
            .tools
            .iter()
            .map(|tool| tool.json.get().to_owned())
            .collect(),
        response_format_json: match &task.format {
            ResponseFormat::Text => String::new(),
            ResponseFormat::JsonObject => r#"{"type":"json_object"}"#.into(),
            ResponseFormat::JsonSchema(schema) => format!(
                r#"{{"type":"json_schema","json_schema":{{"schema":{}}}}}"#,
                schema.get()
            ),
        },
        tool_choice: match &task.tool_choice {
            ToolChoice::Auto => String::new(),
            ToolChoice::None => "none".into(),
            ToolChoice::Required => "required".into(),
            ToolChoice::Named(name) => format!("function:{name}"),
        },
    }
}

pub(super) fn completion(task: &CompletionTask) -> wire::Completion {
    use wire::completion::Prompt as Written;
    let prompt = match &task.prompt {
        Prompt::Text(text) => Written::Text(text.clone()),
        Prompt::Tokens(ids) => Written::Tokens(wire::TokenIds { ids: ids.clone() }),
    };
    wire::Completion {
        prompt: Some(prompt),
        sampling: Some(sampling(&task.sampling)),
    }
}

fn message(message: &Message) -> wire::ChatMessage {
    let call = |call: &ToolCall| wire::ToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments_json: call.arguments.clone(),
    };
    wire::ChatMessage {
        role: message.role.name().to_owned(),
        content: message.content.clone(),
        tool_calls: message.tool_calls.iter().map(call).collect(),
        tool_call_id: message.tool_call_id.clone().unwrap_or_default(),
    }
}

fn sampling(sampling: &Sampling) -> wire::Sampling {
    let bias = |(token_id, bias): &(u32, f32)| wire::LogitBias {
        token_id: *token_id,
        bias: *bias,
    };
    wire::Sampling {
        max_tokens: sampling.max_tokens.unwrap_or(0),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        min_p: sampling.min_p,
        seed: sampling.seed,
        frequency_penalty: Some(sampling.frequency_penalty),
        presence_penalty: Some(sampling.presence_penalty),
        stop: sampling.stop.clone(),
        choices: sampling.choices.map_or(0, |choices| choices.get().into()),
        logprobs: sampling.logprobs.map(u32::from),
        logit_bias: sampling.logit_bias.iter().map(bias).collect(),
    }
}
