//! The answers to a call: whole, or as events.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::error::InferenceError;
use crate::generation::{FinishReason, Generated, ToolCall};
use crate::openai::events::EventWriter;
use crate::stream::{Event, Usage};

/// Writes the events of one response, and knows what it is so far.
#[derive(Debug)]
pub(super) struct Writer {
    id: String,
    message_id: String,
    created: u64,
    model: String,
    sequence: u64,
    text: String,
    /// Whether the message has been begun.
    is_begun: bool,
    calls: Vec<ToolCall>,
    was_cut: bool,
}

impl Writer {
    pub(super) fn new(id: &str, model: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            id: format!("resp_{id}"),
            message_id: format!("msg_{id}"),
            created: now.map_or(0, |now| now.as_secs()),
            model: model.to_owned(),
            sequence: 0,
            text: String::new(),
            is_begun: false,
            calls: Vec::new(),
            was_cut: false,
        }
    }

    /// The whole response.
    pub(super) fn whole(&mut self, answer: Option<&Generated>, usage: Usage) -> Value {
        if let Some(answer) = answer {
            self.text.clone_from(&answer.text);
            self.calls.clone_from(&answer.tool_calls);
            self.was_cut = answer.finish == Some(FinishReason::Length);
            self.is_begun = !self.text.is_empty() || self.calls.is_empty();
        }
        self.response(self.status(), Some(usage))
    }

    const fn status(&self) -> &'static str {
        if self.was_cut {
            "incomplete"
        } else {
            "completed"
        }
    }

    fn response(&self, status: &str, usage: Option<Usage>) -> Value {
        let usage = usage.map(|usage| {
            json!({
                "input_tokens": usage.prompt_tokens,
                "input_tokens_details": { "cached_tokens": usage.cached_tokens },
                "output_tokens": usage.completion_tokens,
                "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": usage.prompt_tokens.saturating_add(usage.completion_tokens),
            })
        });
        let mut output = Vec::new();
        if usage.is_some() {
            if self.is_begun {
                output.push(self.message(status));
            }
            let calls = self.calls.iter().enumerate();
            output.extend(calls.map(|(index, call)| self.call(index, call, "completed")));
        }
        let incomplete = (status == "incomplete").then(|| json!({ "reason": "max_output_tokens" }));
        json!({
            "id": self.id, "object": "response", "created_at": self.created, "status": status,
            "model": self.model, "output": output, "usage": usage, "error": null,
            "incomplete_details": incomplete, "instructions": null, "metadata": {},
            "parallel_tool_calls": true, "tool_choice": "auto", "tools": [], "store": false,
        })
    }

    fn message(&self, status: &str) -> Value {
        json!({
            "id": self.message_id, "type": "message", "role": "assistant", "status": status,
            "content": [self.part()],
        })
    }

    fn part(&self) -> Value {
        json!({ "type": "output_text", "text": self.text, "annotations": [] })
    }

    fn call(&self, index: usize, call: &ToolCall, status: &str) -> Value {
        json!({
            "id": format!("fc_{index}_{}", self.id), "type": "function_call", "status": status,
            "call_id": call.id, "name": call.name, "arguments": call.arguments,
        })
    }

    /// Where calls stand among the items of the output.
    fn place(&self, call: usize) -> usize {
        call + usize::from(self.is_begun)
    }

    fn event(&mut self, kind: &str, mut data: Value, out: &mut Vec<u8>) {
        data["type"] = kind.into();
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        out.extend_from_slice(format!("event: {kind}\ndata: {data}\n\n").as_bytes());
    }

    fn delta(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let at = json!({ "item_id": self.message_id, "output_index": 0, "content_index": 0 });
        if !self.is_begun {
            self.is_begun = true;
            let mut item = self.message("in_progress");
            item["content"] = json!([]);
            let added = json!({ "output_index": 0, "item": item });
            self.event("response.output_item.added", added, out);
            let mut part = at.clone();
            part["part"] = self.part();
            self.event("response.content_part.added", part, out);
        }
        self.text.push_str(text);
        let mut delta = at;
        delta["delta"] = text.into();
        delta["logprobs"] = json!([]);
        self.event("response.output_text.delta", delta, out);
    }

    fn call_delta(&mut self, index: usize, piece: &ToolCall, out: &mut Vec<u8>) {
        if index == self.calls.len() {
            self.calls.push(ToolCall {
                arguments: String::new(),
                ..piece.clone()
            });
            let item = self.call(index, &self.calls[index], "in_progress");
            let added = json!({ "output_index": self.place(index), "item": item });
            self.event("response.output_item.added", added, out);
        }
        if let Some(call) = self.calls.get_mut(index) {
            call.arguments.push_str(&piece.arguments);
        }
        let delta = json!({
            "item_id": format!("fc_{index}_{}", self.id), "output_index": self.place(index),
            "delta": piece.arguments,
        });
        self.event("response.function_call_arguments.delta", delta, out);
    }

    /// Ends every item that was begun.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.is_begun {
            let at = json!({ "item_id": self.message_id, "output_index": 0, "content_index": 0 });
            let mut text = at.clone();
            text["text"] = self.text.as_str().into();
            text["logprobs"] = json!([]);
            self.event("response.output_text.done", text, out);
            let mut part = at;
            part["part"] = self.part();
            self.event("response.content_part.done", part, out);
            let done = json!({ "output_index": 0, "item": self.message(self.status()) });
            self.event("response.output_item.done", done, out);
        }
        for (index, call) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            let item = self.call(index, &call, "completed");
            let place = self.place(index);
            let arguments = json!({
                "item_id": item["id"], "output_index": place, "arguments": call.arguments,
                "name": call.name,
            });
            self.event("response.function_call_arguments.done", arguments, out);
            let done = json!({ "output_index": place, "item": item });
            self.event("response.output_item.done", done, out);
            self.calls.push(call);
        }
    }
}

impl EventWriter for Writer {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let response = json!({ "response": self.response("in_progress", None) });
        self.event("response.created", response.clone(), out);
        self.event("response.in_progress", response, out);
    }

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Delta(delta) => self.delta(&delta.text, out),
            Event::ToolCall(delta) => {
                self.call_delta(usize::from(delta.index), &delta.call, out);
            }
            Event::Finished(_, reason) => {
                self.was_cut = *reason == FinishReason::Length;
                self.finish(out);
            }
            Event::Usage(usage) => {
                let status = self.status();
                let response = json!({ "response": self.response(status, Some(*usage)) });
                Self::event(self, &format!("response.{status}"), response, out);
            }
            Event::Served(served) => self.model = served.model.as_str().to_owned(),
            Event::Embeddings(_) | Event::Outputs(_) => {}
        }
    }

    fn error(&mut self, error: &InferenceError, out: &mut Vec<u8>) {
        let told = json!({
            "code": error.kind().code(), "message": error.message(), "param": error.param(),
        });
        Self::event(self, "error", told, out);
    }

    fn end(&mut self, _out: &mut Vec<u8>) {}
}
