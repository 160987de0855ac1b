//! Answers held to a format: at each step only tokens are drawn from which JSON that fits can still come.
//!
//! The work is llguidance's; its own limits bound how large a schema may be and how long a step takes.

use std::fmt;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory, token_bytes_from_tokenizer_json};
use serde_json::{Value, json};

use crate::engine::RunError;

/// Largest schema, in bytes.
const MAX_SCHEMA: usize = 256 << 10;

/// The shape of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// A JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema(Value),
}

/// What a model's answers can be held to. It takes a moment to make and serves all of them.
pub(crate) struct Guides(ParserFactory);

impl Guides {
    /// For the tokenizer of that JSON, whose answers end with `end`.
    pub(crate) fn new(tokenizer: &Value, rows: u32, end: u32) -> Result<Self, RunError> {
        let failed = |error: &dyn fmt::Display| RunError::Runtime(error.to_string());
        let mut words =
            token_bytes_from_tokenizer_json(tokenizer).map_err(|error| failed(&error))?;
        words.resize(
            usize::try_from(rows).unwrap_or(0).max(words.len()),
            Vec::new(),
        );
        let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let trie = TokTrie::from(&TokRxInfo::new(count, end), &words);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory =
            ParserFactory::new_simple(&environment).map_err(|error| failed(&error))?;
        factory.quiet();
        Ok(Self(factory))
    }

    /// What holds one answer to `format`.
    ///
    /// # Errors
    /// [`RunError::Format`] when nothing can fit the schema, or it is not understood.
    pub(crate) fn guide(&self, format: &Format) -> Result<Guide, RunError> {
        let mut schema = match format {
            Format::JsonObject => json!({ "type": "object" }),
            Format::JsonSchema(schema) => schema.clone(),
        };
        if schema.to_string().len() > MAX_SCHEMA {
            return Err(RunError::Format(format!(
                "the schema has more than {MAX_SCHEMA} bytes"
            )));
        }
        // White space that may go on for ever would let a model say nothing else.
        if let Some(schema) = schema.as_object_mut() {
            let spaces = json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
            schema.insert("x-guidance".into(), spaces);
        }
        let parser = self
            .0
            .create_parser(TopLevelGrammar::from_json_schema(schema));
        let parser = parser.map_err(|error| RunError::Format(about(&error.to_string())))?;
        Ok(Guide(Matcher::new(Ok(parser))))
    }
}

/// The schema's fault in one line.
fn about(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let short: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
    format!("answers cannot be held to this schema: {short}")
}

/// Holds one answer to its format.
pub struct Guide(Matcher);

impl Guide {
    /// The tokens that may come next.
    pub(super) fn allowed(&mut self) -> Result<SimpleVob, RunError> {
        self.0
            .compute_mask_or_eos()
            .map_err(|error| RunError::Format(about(&error.to_string())))
    }

    /// Notes the token that came.
    pub(super) fn took(&mut self, token: u32) -> Result<(), RunError> {
        if self.0.is_stopped() {
            return Ok(());
        }
        self.0
            .consume_token(token)
            .map_err(|error| RunError::Format(about(&error.to_string())))
    }
}

impl Clone for Guide {
    fn clone(&self) -> Self {
        Self(self.0.deep_clone())
    }
}

impl fmt::Debug for Guide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guide")
    }
}
