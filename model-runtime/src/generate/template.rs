//! Conversations to prompts, by the model's own chat template.
//!
//! Templates come with models, so they are bounded in size and in work, reach nothing but what they are
//! given, and a failure names no content.

use std::fmt;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;

use crate::package::{PackageError, bounded, json};

/// Largest template, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Most steps of one rendering: thousands of messages, and no loop without end.
const FUEL: u64 = 2_000_000;
/// Largest prompt, in bytes.
const MAX_PROMPT: usize = 16 << 20;
const NAME: &str = "chat";

/// A message as templates know it.
#[derive(Clone, Serialize)]
pub struct ChatMessage {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: &'static str,
    /// What is said.
    pub content: String,
    /// Tools that the assistant called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ChatToolCall>,
    /// The call that a tool's message answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes", self.role, self.content.len())
    }
}

/// A call as templates know it.
#[derive(Clone, Serialize)]
pub struct ChatToolCall {
    /// Names the call.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is called: its `name` and its `arguments`, which templates expect as an object.
    pub function: serde_json::Value,
}

impl fmt::Debug for ChatToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChatToolCall")
    }
}

/// Why a conversation has no prompt, or a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The model has no chat template.
    #[error("the model has no chat template, so it takes no conversations")]
    None,
    /// The template is not one.
    #[error("the chat template does not parse: {0}")]
    Malformed(String),
    /// The template itself refuses the conversation. Its words may repeat content, so they are not told.
    #[error(
        "the model's chat template does not take this conversation: check the order of its roles"
    )]
    Refused,
    /// Rendering took more than it may.
    #[error("the chat template takes too long or gives too much for this conversation")]
    TooMuch,
}

/// A model's chat template.
pub(crate) struct Template {
    environment: Environment<'static>,
    begin: String,
    end: String,
}

impl Template {
    /// The template of the model in `folder`: `chat_template.jinja`, or the one in
    /// `tokenizer_config.json`; `None` where there is none.
    ///
    /// # Errors
    /// When a file cannot be read, or a template does not parse.
    pub(crate) fn read(folder: &Path) -> Result<Option<Result<Self, TemplateError>>, PackageError> {
        let config: serde_json::Value =
            json(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let file = folder.join("chat_template.jinja");
        let source = if file.is_file() {
            let bytes = bounded(&file, MAX_BYTES)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        } else {
            named(&config["chat_template"])
        };
        // Written as a text, or as an object with it.
        let token = |name: &str| {
            let token = &config[name];
            let text = token.as_str().or_else(|| token["content"].as_str());
            text.unwrap_or_default().to_owned()
        };
        Ok(source.map(|source| Self::new(source, token("bos_token"), token("eos_token"))))
    }

    fn new(source: String, begin: String, end: String) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(
            syntax.map_err(|error| TemplateError::Malformed(error.kind().to_string()))?,
        );
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.set_fuel(Some(FUEL));
        environment.add_function("raise_exception", |message: String| -> Result<Value, _> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned(NAME, source)
            .map_err(|error| {
                let line = error
                    .line()
                    .map_or(String::new(), |line| format!(" in line {line}"));
                TemplateError::Malformed(format!("{}{line}", error.kind()))
            })?;
        Ok(Self {
            environment,
            begin,
            end,
        })
    }

    /// The prompt for a conversation, up to where the model's answer begins.
    ///
    /// # Errors
    /// [`TemplateError`], which never repeats content.
    pub(crate) fn prompt(
        &self,
        messages: &[ChatMessage],
        tools: &[serde_json::Value],
    ) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME);
        let template = template.map_err(|_never| TemplateError::None)?;
        let tools = if tools.is_empty() {
            Value::from(())
        } else {
            Value::from(Serde(tools))
        };
        let given = context! {
            messages => Serde(messages),
            tools => tools,
            add_generation_prompt => true,
            bos_token => self.begin.as_str(),
            eos_token => self.end.as_str(),
        };
        let mut prompt = Bounded(Vec::new());
        let rendered = template.render_captured_to(given, &mut prompt);
        let bounds = [ErrorKind::OutOfFuel, ErrorKind::WriteFailure];
        rendered.map_err(|error| {
            if bounds.contains(&error.kind()) {
                TemplateError::TooMuch
            } else {
                TemplateError::Refused
            }
        })?;
        String::from_utf8(prompt.0).map_err(|_content| TemplateError::Refused)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

/// A text, or the one named `default` in a list of named ones.
fn named(value: &serde_json::Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let named = value
        .as_array()?
        .iter()
        .find(|one| one["name"] == "default")?;
    named["template"].as_str().map(str::to_owned)
}

/// Takes at most so many bytes.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + more.len() > MAX_PROMPT {
            return Err(std::io::Error::other("too much"));
        }
        self.0.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{ChatMessage, Template, TemplateError};

    fn message(role: &'static str, content: &str) -> ChatMessage {
        ChatMessage {
            role,
            content: content.into(),
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }

    fn template(source: &str) -> Result<Template, TemplateError> {
        Template::new(source.into(), "<s>".into(), "</s>".into())
    }

    #[test]
    fn a_conversation_becomes_a_prompt_as_python_would_write_it() {
        let source = "{{ bos_token }}{% for message in messages %}\n{%- if message['content'].strip().startswith('x') %}X{% endif -%}\n{{ message.role | upper + ': ' + message.content.strip() + '\\n' }}\n{%- endfor %}\n{% if add_generation_prompt %}ASSISTANT:{% endif %}";
        let prompt = template(source)
            .unwrap()
            .prompt(&[message("user", " xyz ")], &[])
            .unwrap();
        assert_eq!(prompt, "<s>XUSER: xyz\nASSISTANT:");
    }

    #[test]
    fn templates_that_loop_or_refuse_are_told_without_content() {
        let endless = template(
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        )
        .unwrap();
        assert_eq!(endless.prompt(&[], &[]), Err(TemplateError::TooMuch));
        let long =
            template("{% for a in range(9999) %}{{ messages[0].content }}{% endfor %}").unwrap();
        let big = message("user", &"x".repeat(1 << 16));
        assert_eq!(long.prompt(&[big], &[]), Err(TemplateError::TooMuch));
        let picky = template("{{ raise_exception(messages[0].content) }}").unwrap();
        let error = picky.prompt(&[message("user", "secret")], &[]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(matches!(
            template("{% for"),
            Err(TemplateError::Malformed(_))
        ));
    }
}
