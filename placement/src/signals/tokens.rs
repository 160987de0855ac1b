//! How long a request is, by the tokenizer of the model that would serve it where that is here.

use std::fmt;
use std::sync::Arc;

use inference_api::{EmbeddingInput, InferenceError, Task};
use model_runtime::{Model, TextError, TokenizedText};
use router_policy::{RequestFacts, Tokens};

use super::Failed;
use super::content::Content;
use crate::execute::generate;

/// A model's tokenizer, as signals use it.
pub trait TokenCounter: Send + Sync + fmt::Debug {
    /// The model's name: tokens of one model mean nothing to another.
    fn model(&self) -> &str;

    /// The tokens of a text.
    ///
    /// # Errors
    /// When the model does not take it; the message never repeats the text.
    fn tokenise(&self, text: &str) -> Result<TokenizedText, TextError>;

    /// Token ids as a caller gave them, as the model takes them.
    ///
    /// # Errors
    /// When the model does not have one of them.
    fn accept(&self, ids: &[u32]) -> Result<TokenizedText, TextError>;

    /// The prompt of a conversation or of a text that goes on, as the model takes it.
    ///
    /// # Errors
    /// When the model does not take it; the message never repeats content.
    fn prompt(&self, task: &Task) -> Result<TokenizedText, InferenceError>;

    /// The text that token ids stand for; `None` when that cannot be said.
    fn text_of(&self, ids: &[u32]) -> Option<String>;
}

/// The tokenizer of a loaded model.
#[derive(Debug)]
pub struct ModelTokens(Model);

impl ModelTokens {
    /// The tokenizer of `model`.
    #[must_use]
    pub const fn new(model: Model) -> Self {
        Self(model)
    }
}

impl TokenCounter for ModelTokens {
    fn model(&self) -> &str {
        self.0.name()
    }

    fn tokenise(&self, text: &str) -> Result<TokenizedText, TextError> {
        self.0.tokenise(text)
    }

    fn accept(&self, ids: &[u32]) -> Result<TokenizedText, TextError> {
        self.0.accept_tokens(ids)
    }

    fn prompt(&self, task: &Task) -> Result<TokenizedText, InferenceError> {
        generate::prompt(&self.0, task)
    }

    fn text_of(&self, ids: &[u32]) -> Option<String> {
        self.0.text_of(ids)
    }
}

/// A request's texts as one model's tokens.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    model: Arc<str>,
    texts: Vec<TokenizedText>,
}

impl Prepared {
    /// The tokens, if they are that model's.
    pub(crate) fn texts_for(&self, model: &str) -> Option<Vec<TokenizedText>> {
        (*self.model == *model).then(|| self.texts.clone())
    }

    fn tokens(&self) -> usize {
        self.texts.iter().map(TokenizedText::len).sum()
    }
}

/// Tokenises the texts of a task, where there is a tokenizer and text for it.
///
/// # Errors
/// When the model does not take one of them.
pub(crate) fn prepare(
    task: &Task,
    counter: Option<&dyn TokenCounter>,
) -> Result<Option<Prepared>, InferenceError> {
    let Some(counter) = counter else {
        return Ok(None);
    };
    let task = match task {
        Task::Embedding(task) => task,
        Task::Chat(_) | Task::Completion(_) => {
            return Ok(Some(Prepared {
                model: counter.model().into(),
                texts: vec![counter.prompt(task)?],
            }));
        }
        Task::Infer(_) => return Ok(None),
    };
    let one = |input: &EmbeddingInput| match input {
        EmbeddingInput::Text(text) => counter.tokenise(text),
        EmbeddingInput::Tokens(ids) => counter.accept(ids),
    };
    let texts = task.inputs.iter().map(one).collect::<Result<_, _>>();
    let texts = texts.map_err(|error: TextError| {
        InferenceError::invalid(error.to_string()).with_param("input")
    })?;
    Ok(Some(Prepared {
        model: counter.model().into(),
        texts,
    }))
}

/// Bytes of text for a token where no tokenizer is here: about right for English prose.
const BYTES_PER_TOKEN: usize = 4;

/// The signal: how many tokens there are. Tensors of numbers have none.
#[expect(
    clippy::unnecessary_wraps,
    reason = "signals share one shape, and others can fail"
)]
pub(super) fn count(content: &Content<'_>, facts: &mut RequestFacts) -> Result<(), Failed> {
    let bytes = || content.texts.iter().map(|text| text.len()).sum::<usize>();
    let count = content
        .prepared
        .map_or_else(|| bytes().div_ceil(BYTES_PER_TOKEN), Prepared::tokens);
    facts.tokens = Tokens::new(u32::try_from(count).unwrap_or(u32::MAX));
    Ok(())
}
