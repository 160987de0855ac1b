//! The tasks that the demo chats about: `tests/models/held_out.jsonl`, one a line, none of which the
//! models were trained on.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::repository;

/// Bytes of an answer after which its connection is cut: in the midst of [`long`]'s.
pub(super) const CUT_AFTER_BYTES: i64 = 250;

/// A conversation with its one right answer.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) messages: Value,
    pub(super) answer: String,
}

impl Task {
    /// What is asked at last.
    pub(super) fn question(&self) -> &str {
        let messages = self.messages.as_array();
        let last = messages.and_then(|messages| messages.last());
        last.and_then(|message| message["content"].as_str())
            .unwrap_or_default()
    }
}

/// All of them.
///
/// # Errors
///
/// When the file cannot be read, with the line that is wrong.
pub(super) fn read() -> Result<Vec<Task>> {
    let path = repository::root().join("tests/models/held_out.jsonl");
    let lines = std::fs::read_to_string(&path);
    let lines = lines.with_context(|| format!("could not read {}", path.display()))?;
    let parse = |line: &str| -> Result<Task> {
        let value: Value = serde_json::from_str(line)?;
        let answer = value["answer"].as_str().context("`answer` is missing")?;
        Ok(Task {
            messages: value["messages"].clone(),
            answer: answer.to_owned(),
        })
    };
    let numbered = lines.lines().enumerate();
    numbered
        .map(|(index, line)| {
            parse(line)
                .with_context(|| format!("tests/models/held_out.jsonl:{}: no task", index + 1))
        })
        .collect()
}

/// A conversation whose answer takes a while.
pub(super) fn long() -> Value {
    let question = "Say these words backwards: storm chair garden violin pear tiger";
    json!([{ "role": "user", "content": question }])
}
