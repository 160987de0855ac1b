//! Text to tokens, by the model's own tokenizer, on the caller's side.

use std::sync::Arc;

use tokenizers::{Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use crate::package::{MAX_TOKENIZER, Package, PackageError};

/// One text as token ids, special ones included. It has no `Debug`: it is content.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenizedText(pub(crate) Box<[u32]>);

impl TokenizedText {
    /// How many tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for TokenizedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenizedText({} tokens)", self.0.len())
    }
}

/// Why a text could not be tokenised, or a tokenizer not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The model has no tokenizer, so it takes no text.
    #[error("the model `{0}` has no tokenizer, so it takes no text")]
    None(String),
    /// The tokenizer's file cannot be read as one.
    #[error("the tokenizer is not readable: {0}")]
    Unreadable(String),
    /// The tokenizer knows more tokens than the model.
    #[error(
        "the tokenizer does not fit the model: it has {tokenizer} tokens, the model has rows for {model}"
    )]
    DoesNotFit {
        /// Tokens that the tokenizer has.
        tokenizer: u64,
        /// Rows of the model's table.
        model: u64,
    },
    /// The tokenizer failed on a text; which is content, so no more is said.
    #[error("the text could not be tokenised")]
    Failed,
    /// A token id is none of the model's.
    #[error("token id {id} is beyond the model's vocabulary of {vocabulary}")]
    UnknownId {
        /// The id.
        id: u32,
        /// How many there are.
        vocabulary: u32,
    },
    /// There is nothing to embed.
    #[error("the text has no tokens")]
    Empty,
}

/// A model's tokenizer. A clone is another handle to the same.
#[derive(Clone)]
pub(crate) struct Text(Arc<Parts>);

struct Parts {
    tokenizer: Tokenizer,
    vocabulary: u32,
    max_tokens: usize,
}

impl Text {
    /// Reads the package's tokenizer; `None` where it has none. `rows` is the height of the model's
    /// table of tokens, where it is known. Longer texts than `longest` are cut for embeddings, and left
    /// to whoever generates.
    pub(crate) fn load(
        package: &Package,
        rows: Option<u64>,
        longest: Longest,
    ) -> Result<Option<Self>, LoadTextError> {
        let Some(entry) = &package.tokenizer else {
            return Ok(None);
        };
        let (bytes, _) = package.read(entry, MAX_TOKENIZER)?;
        let unreadable =
            |error: &dyn std::fmt::Display| TextError::Unreadable(first_line(&error.to_string()));
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| unreadable(&error))?;
        let vocabulary = tokenizer.get_vocab_size(true);
        if let Some(model) = rows
            && vocabulary as u64 > model
        {
            return Err(TextError::DoesNotFit {
                tokenizer: vocabulary as u64,
                model,
            }
            .into());
        }
        // Batches are padded here, each to its own longest text.
        tokenizer.with_padding(None);
        let (max_tokens, cut) = match longest {
            Longest::Cut(max_tokens) => (max_tokens, true),
            Longest::Context(max_tokens) => (max_tokens, false),
        };
        let truncation = TruncationParams {
            max_length: max_tokens,
            strategy: TruncationStrategy::LongestFirst,
            direction: TruncationDirection::Right,
            stride: 0,
        };
        tokenizer
            .with_truncation(cut.then_some(truncation))
            .map_err(|error| unreadable(&error))?;
        let vocabulary = u32::try_from(rows.unwrap_or(vocabulary as u64)).unwrap_or(u32::MAX);
        Ok(Some(Self(Arc::new(Parts {
            tokenizer,
            vocabulary,
            max_tokens,
        }))))
    }

    /// The tokens of a prompt: a template wrote all of its special ones already.
    pub(crate) fn prompt(
        &self,
        text: &str,
        adds_special: bool,
    ) -> Result<TokenizedText, TextError> {
        let encoding = self.0.tokenizer.encode_fast(text, adds_special);
        let encoding = encoding.map_err(|_content| TextError::Failed)?;
        match encoding.get_ids() {
            [] => Err(TextError::Empty),
            ids => Ok(TokenizedText(ids.into())),
        }
    }

    /// The tokens of a text, cut at the model's own longest, as its files say.
    pub(crate) fn tokenise(&self, text: &str) -> Result<TokenizedText, TextError> {
        let encoding = self
            .0
            .tokenizer
            .encode_fast(text, true)
            .map_err(|_content| TextError::Failed)?;
        let ids = encoding.get_ids();
        if ids.is_empty() {
            return Err(TextError::Empty);
        }
        Ok(TokenizedText(ids.into()))
    }

    /// Token ids as a caller gave them, with the special ones around them.
    pub(crate) fn accept(&self, ids: &[u32]) -> Result<TokenizedText, TextError> {
        let Parts {
            tokenizer,
            vocabulary,
            max_tokens,
        } = &*self.0;
        if ids.is_empty() {
            return Err(TextError::Empty);
        }
        if let Some(&id) = ids.iter().find(|id| *id >= vocabulary) {
            return Err(TextError::UnknownId {
                id,
                vocabulary: *vocabulary,
            });
        }
        let plain = tokenizers::Encoding::new(
            ids.to_vec(),
            vec![0; ids.len()],
            vec![String::new(); ids.len()],
            vec![None; ids.len()],
            vec![(0, 0); ids.len()],
            vec![0; ids.len()],
            vec![1; ids.len()],
            Vec::new(),
            Default::default(),
        );
        let whole = tokenizer
            .post_process(plain, None, true)
            .map_err(|_content| TextError::Failed)?;
        let ids = whole.get_ids();
        Ok(TokenizedText(
            ids.get(..ids.len().min(*max_tokens)).unwrap_or(ids).into(),
        ))
    }

    /// The text that token ids stand for; `None` when they stand for none.
    pub(crate) fn decode(&self, ids: &[u32]) -> Option<String> {
        self.0.tokenizer.decode(ids, true).ok()
    }

    /// Ids for measuring: any will do that the model has.
    pub(crate) fn sample(&self, tokens: usize) -> TokenizedText {
        let highest = self.0.vocabulary.max(2) - 1;
        let count = u32::try_from(tokens.min(self.0.max_tokens)).unwrap_or(u32::MAX);
        TokenizedText((0..count).map(|i| (1000 + i * 37) % highest + 1).collect())
    }

    /// All of the tokenizer, as its file has it.
    pub(crate) fn to_json(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.0.tokenizer).ok()
    }

    pub(crate) fn vocabulary(&self) -> u32 {
        self.0.vocabulary
    }

    pub(crate) fn max_tokens(&self) -> usize {
        self.0.max_tokens
    }
}

/// The longest text in tokens, and what becomes of a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Longest {
    /// It is cut.
    Cut(usize),
    /// It is left whole.
    Context(usize),
}

/// Why a tokenizer could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadTextError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Text(#[from] TextError),
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}
