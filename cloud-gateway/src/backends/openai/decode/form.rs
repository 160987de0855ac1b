//! The bodies of OpenAI's API, as far as they are read.

use inference_api::{GeneratedToken, ToolCall};
use serde::Deserialize;

use crate::backends::openai::failure::ErrorForm;

/// Most tokens whose probabilities one piece may tell, and most alternatives to one.
const MAX_TOKENS: usize = 4096;
const MAX_ALTERNATIVES: usize = 20;

#[derive(Deserialize)]
pub(super) struct WholeForm {
    #[serde(default)]
    pub(super) choices: Vec<ChoiceForm>,
    pub(super) usage: Option<UsageForm>,
}

#[derive(Deserialize)]
pub(super) struct ChunkForm {
    #[serde(default)]
    pub(super) choices: Vec<ChoiceForm>,
    pub(super) usage: Option<UsageForm>,
    pub(super) error: Option<ErrorForm>,
}

#[derive(Deserialize)]
pub(super) struct ChoiceForm {
    #[serde(default)]
    pub(super) index: u8,
    pub(super) message: Option<MessageForm>,
    pub(super) delta: Option<MessageForm>,
    /// Where completions have their text.
    pub(super) text: Option<String>,
    pub(super) finish_reason: Option<String>,
    pub(super) logprobs: Option<Logprobs>,
}

#[derive(Deserialize, Default)]
pub(super) struct MessageForm {
    pub(super) content: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Option<Vec<CallForm>>,
}

#[derive(Deserialize)]
pub(super) struct CallForm {
    pub(super) index: Option<u8>,
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: FunctionForm,
}

#[derive(Deserialize, Default)]
pub(super) struct FunctionForm {
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
}

impl CallForm {
    /// A call with its name; `None` without one.
    pub(super) fn whole(self) -> Option<ToolCall> {
        Some(ToolCall {
            id: self.id.unwrap_or_default(),
            name: self.function.name.filter(|name| !name.is_empty())?,
            arguments: self.function.arguments.unwrap_or_default(),
        })
    }
}

#[derive(Deserialize, Default)]
pub(super) struct UsageForm {
    #[serde(default)]
    pub(super) prompt_tokens: u32,
    #[serde(default)]
    pub(super) completion_tokens: u32,
    pub(super) prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Deserialize)]
pub(super) struct PromptDetails {
    pub(super) cached_tokens: Option<u32>,
}

/// Log probabilities: of chats as a list of tokens; completions have another form, which is not read.
#[derive(Deserialize)]
pub(super) struct Logprobs {
    content: Option<Vec<TokenForm>>,
}

#[derive(Deserialize)]
struct TokenForm {
    token: String,
    logprob: f32,
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    top_logprobs: Vec<AlternativeForm>,
}

#[derive(Deserialize)]
struct AlternativeForm {
    token: String,
    logprob: f32,
    bytes: Option<Vec<u8>>,
}

impl Logprobs {
    pub(super) fn tokens(self) -> Vec<GeneratedToken> {
        let tokens = self.content.unwrap_or_default().into_iter();
        tokens.take(MAX_TOKENS).map(TokenForm::token).collect()
    }
}

impl TokenForm {
    fn token(self) -> GeneratedToken {
        let alternatives = self.top_logprobs.into_iter().take(MAX_ALTERNATIVES);
        GeneratedToken {
            id: None,
            logprob: self.logprob,
            bytes: self.bytes.unwrap_or_else(|| self.token.into_bytes()),
            alternatives: alternatives
                .map(|one| {
                    let bytes = one.bytes.unwrap_or_else(|| one.token.into_bytes());
                    (bytes, one.logprob)
                })
                .collect(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct EmbeddingsForm {
    pub(super) data: Vec<EmbeddingForm>,
    pub(super) usage: Option<UsageForm>,
}

#[derive(Deserialize)]
pub(super) struct EmbeddingForm {
    #[serde(default)]
    pub(super) index: usize,
    pub(super) embedding: Vec<f32>,
}
