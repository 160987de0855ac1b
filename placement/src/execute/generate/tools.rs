//! Calls of tools in what a model writes: JSON with a name and arguments, between `<tool_call>` and
//! `</tool_call>` or alone. What is none is text, whatever it looked like.

use inference_api::{ChatTask, ToolCall, ToolChoice};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const BEGIN: &str = "<tool_call>";
const END: &str = "</tool_call>";

/// Tells calls from text, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The answer is a call and nothing else.
    forced: bool,
    held: String,
    holds_all: bool,
    /// Something was shown already.
    has_shown: bool,
}

/// A call as models write it.
#[derive(Deserialize)]
struct Written {
    name: String,
    #[serde(alias = "parameters")]
    arguments: Option<Box<RawValue>>,
}

impl Calls {
    /// For a task with tools that may be called; nothing for one without.
    pub(super) fn of(task: &ChatTask) -> Option<Self> {
        let forced = match &task.tool_choice {
            ToolChoice::None => return None,
            ToolChoice::Auto => false,
            ToolChoice::Required | ToolChoice::Named(_) => true,
        };
        (!task.tools.is_empty()).then(|| Self {
            forced,
            ..Self::default()
        })
    }

    /// Takes more of the answer; gives what is text for certain.
    pub(super) fn push(&mut self, more: &str) -> String {
        self.held.push_str(more);
        if self.forced || self.holds_all {
            return String::new();
        }
        let begins = self.held.trim_start();
        // JSON alone is a call only as the whole of an answer.
        if !self.has_shown && (begins.is_empty() || begins.starts_with('{')) {
            self.holds_all = !begins.is_empty();
            return String::new();
        }
        if let Some(at) = self.held.find(BEGIN) {
            self.holds_all = true;
            let call = self.held.split_off(at);
            return self.shown(call);
        }
        let longest = self.held.len().min(BEGIN.len() - 1);
        let could_begin = (1..=longest)
            .rev()
            .find(|length| self.held.ends_with(&BEGIN[..*length]));
        let kept = could_begin.map_or(0, |length| length);
        let rest = self.held.split_off(self.held.len() - kept);
        self.shown(rest)
    }

    fn shown(&mut self, held: String) -> String {
        let shown = std::mem::replace(&mut self.held, held);
        self.has_shown |= !shown.trim().is_empty();
        shown
    }

    /// What is left at the end: text, or calls.
    pub(super) fn finish(&mut self) -> (String, Vec<ToolCall>) {
        let held = std::mem::take(&mut self.held);
        let calls = if held.contains(BEGIN) {
            let written = held.split(BEGIN).skip(1);
            let bodies = written.map(|one| one.split(END).next().unwrap_or(one));
            bodies.map(read).collect::<Option<Vec<_>>>()
        } else {
            read(&held).map(|call| vec![call])
        };
        match calls {
            Some(calls) if !calls.is_empty() => (String::new(), calls),
            _ => (held, Vec::new()),
        }
    }
}

/// A call, from its JSON.
fn read(text: &str) -> Option<ToolCall> {
    let written: Written = serde_json::from_str(text.trim()).ok()?;
    let arguments = written.arguments.map_or_else(
        || "{}".to_owned(),
        // Some models write their arguments as a text that holds JSON.
        |raw| serde_json::from_str(raw.get()).unwrap_or_else(|_not_a_text| raw.get().to_owned()),
    );
    Some(ToolCall {
        id: format!("call_{}", ulid::Ulid::generate()),
        name: written.name,
        arguments,
    })
}

/// The schema of an answer that must be a call.
pub(super) fn schema(task: &ChatTask) -> Option<Value> {
    let wanted = |name: &str| match &task.tool_choice {
        ToolChoice::Required => true,
        ToolChoice::Named(wanted) => wanted == name,
        ToolChoice::Auto | ToolChoice::None => false,
    };
    let mut any = Vec::new();
    for tool in task.tools.iter().filter(|tool| wanted(&tool.name)) {
        let json: Value = serde_json::from_str(tool.json.get()).ok()?;
        let parameters = match &json["function"]["parameters"] {
            parameters if parameters.is_null() => json!({ "type": "object" }),
            parameters => parameters.clone(),
        };
        any.push(json!({
            "type": "object",
            "properties": { "name": { "const": tool.name }, "arguments": parameters },
            "required": ["name", "arguments"],
            "additionalProperties": false,
        }));
    }
    (!any.is_empty()).then(|| json!({ "anyOf": any }))
}

#[cfg(test)]
mod tests {
    use super::Calls;

    /// The text that is shown and the calls that are found, however the pieces are cut.
    fn told(text: &str) -> (String, Vec<(String, String)>) {
        let mut results = Vec::new();
        for size in 1..9 {
            let mut calls = Calls::default();
            let letters: Vec<char> = text.chars().collect();
            let mut shown = String::new();
            for piece in letters.chunks(size) {
                shown.push_str(&calls.push(&piece.iter().collect::<String>()));
            }
            let (rest, found) = calls.finish();
            shown.push_str(&rest);
            let found = found.into_iter().map(|call| (call.name, call.arguments));
            results.push((shown, found.collect::<Vec<_>>()));
        }
        assert!(
            results.windows(2).all(|pair| pair[0] == pair[1]),
            "{results:?}"
        );
        results.pop().unwrap()
    }

    fn call(name: &str, arguments: &str) -> (String, String) {
        (name.into(), arguments.into())
    }

    #[test]
    fn calls_are_found_in_every_usual_form() {
        let one = r#"<tool_call>
{"name": "add", "arguments": {"a": 1}}
</tool_call>"#;
        assert_eq!(told(one), (String::new(), vec![call("add", r#"{"a": 1}"#)]));
        let two = format!("Let me see. {one}\n{one}");
        assert_eq!(told(&two).0, "Let me see. ");
        assert_eq!(told(&two).1.len(), 2);
        let bare = r#" {"name": "now", "parameters": "{\"zone\":1}"}"#;
        assert_eq!(told(bare).1, [call("now", r#"{"zone":1}"#)]);
        assert_eq!(told(r#"{"name":"now"}"#).1, [call("now", "{}")]);
    }

    #[test]
    fn what_is_no_call_is_text() {
        for text in [
            "a < b <tool",
            "{\"a\": 1}",
            "<tool_call>not json</tool_call>",
            "text {\"name\": \"x\"}",
            "",
            "<<tool_call",
        ] {
            assert_eq!(told(text), (text.to_owned(), Vec::new()), "{text}");
        }
    }
}
