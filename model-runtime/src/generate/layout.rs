//! How a decoder is fed: read from its `genai_config.json` and its signature, never from its name.
//!
//! Two ways are known, by their inputs and outputs: a cache that stays in place (ONNX Runtime GenAI's
//! exports, whose past and present share a buffer), and one that comes out of each run longer than it
//! went in (Optimum's exports).

use std::path::Path;

use serde::Deserialize;

use super::sample::Sampling;
use super::value::Element;
use crate::model::{Signature, TensorInfo};
use crate::package::{PackageError, json};
use crate::tensor::DataType;

/// Why a model does not generate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model does not take tokens as decoders do: {0}")]
pub struct NotADecoder(String);

/// Which inputs and outputs a decoder has, and what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(super) ids: String,
    pub(super) mask: String,
    pub(super) positions: Option<String>,
    /// Keys and values of every layer, what goes in and what comes out.
    pub(super) past: Vec<String>,
    pub(super) present: Vec<String>,
    pub(super) logits: String,
    pub(super) heads: usize,
    pub(super) head_size: usize,
    pub(super) element: Element,
    pub(super) vocabulary: usize,
    /// Whether past and present may be one buffer.
    pub(super) in_place: bool,
    /// Whether logits tell of the last token alone, and not of every one that was read.
    pub(super) last_alone: bool,
}

/// What the model's own files say of how it is used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Habits {
    /// Most tokens of prompt and answer together.
    pub(crate) context: usize,
    /// Tokens that end an answer.
    pub(crate) ends: Vec<u32>,
    pub(crate) temperature: Option<f32>,
    pub(crate) top_p: Option<f32>,
    pub(crate) top_k: Option<usize>,
    pub(crate) repetition_penalty: Option<f32>,
    pub(crate) samples: bool,
}

impl Layout {
    /// The same, of a graph that says what follows the last token alone.
    pub(crate) fn with_last_alone(self, last_alone: bool) -> Self {
        Self { last_alone, ..self }
    }
}

impl Habits {
    /// How tokens are drawn when nobody says.
    pub(crate) fn sampling(&self) -> Sampling {
        let usual = Sampling::default();
        if !self.samples {
            return Sampling {
                temperature: 0.0,
                repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
                ..usual
            };
        }
        Sampling {
            temperature: self
                .temperature
                .unwrap_or(usual.temperature)
                .clamp(0.0, 2.0),
            top_p: self.top_p.unwrap_or(usual.top_p).clamp(0.01, 1.0),
            top_k: self.top_k.unwrap_or(usual.top_k),
            repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
            ..usual
        }
    }
}

/// `genai_config.json`, as far as it is needed.
#[derive(Debug, Deserialize)]
struct GenAi {
    model: GenAiModel,
    #[serde(default)]
    search: Search,
}

#[derive(Debug, Deserialize)]
struct GenAiModel {
    context_length: Option<usize>,
    eos_token_id: Option<Ids>,
    decoder: Decoder,
}

#[derive(Debug, Deserialize)]
struct Decoder {
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    inputs: Inputs,
    #[serde(default)]
    outputs: Outputs,
    head_size: Option<usize>,
    num_key_value_heads: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Inputs {
    input_ids: String,
    attention_mask: String,
    position_ids: String,
    past_key_names: String,
    past_value_names: String,
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            input_ids: "input_ids".into(),
            attention_mask: "attention_mask".into(),
            position_ids: "position_ids".into(),
            past_key_names: "past_key_values.%d.key".into(),
            past_value_names: "past_key_values.%d.value".into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Outputs {
    logits: String,
    present_key_names: String,
    present_value_names: String,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            logits: "logits".into(),
            present_key_names: "present.%d.key".into(),
            present_value_names: "present.%d.value".into(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Search {
    past_present_share_buffer: bool,
    do_sample: bool,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    repetition_penalty: Option<f32>,
}

/// One id or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Ids {
    One(u32),
    Many(Vec<u32>),
}

impl From<Ids> for Vec<u32> {
    fn from(ids: Ids) -> Self {
        match ids {
            Ids::One(id) => vec![id],
            Ids::Many(ids) => ids,
        }
    }
}

/// Hugging Face's `config.json` and `generation_config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HuggingFace {
    eos_token_id: Option<Ids>,
    max_position_embeddings: Option<usize>,
    head_dim: Option<usize>,
    num_key_value_heads: Option<usize>,
    do_sample: Option<bool>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    repetition_penalty: Option<f32>,
}

/// The files of one folder that say how its decoder is used.
#[derive(Debug)]
pub(crate) struct Descriptions {
    genai: Option<GenAi>,
    config: HuggingFace,
    generation: HuggingFace,
}

/// Tokens of a context that no file states.
const USUAL_CONTEXT: usize = 2048;
/// Most that is believed.
const MAX_CONTEXT: usize = 1 << 20;
/// Most layers.
const MAX_LAYERS: usize = 1024;
/// Most heads, and the largest of them.
const MAX_SIZE: usize = 1 << 14;

impl Descriptions {
    /// Reads them; what is not there is not there.
    pub(crate) fn read(folder: &Path) -> Result<Self, PackageError> {
        Ok(Self {
            genai: json(&folder.join("genai_config.json"))?,
            config: json(&folder.join("config.json"))?.unwrap_or_default(),
            generation: json(&folder.join("generation_config.json"))?.unwrap_or_default(),
        })
    }

    /// The decoder's file, where a description names one.
    pub(crate) fn file(&self) -> Option<&str> {
        self.genai.as_ref()?.model.decoder.filename.as_deref()
    }

    /// What they say of how the model is used.
    pub(crate) fn habits(self) -> Habits {
        let Self {
            genai,
            config,
            generation,
        } = self;
        let (model, search) = match genai {
            Some(GenAi { model, search }) => (Some(model), search),
            None => (None, Search::default()),
        };
        let (context, ends) = model.map_or((None, None), |model| {
            (model.context_length, model.eos_token_id)
        });
        let ends = generation.eos_token_id.or(ends).or(config.eos_token_id);
        Habits {
            context: context
                .or(config.max_position_embeddings)
                .unwrap_or(USUAL_CONTEXT)
                .clamp(2, MAX_CONTEXT),
            ends: ends.map(Vec::from).unwrap_or_default(),
            temperature: generation.temperature.or(search.temperature),
            top_p: generation.top_p.or(search.top_p),
            top_k: generation.top_k.or(search.top_k),
            repetition_penalty: generation.repetition_penalty.or(search.repetition_penalty),
            samples: generation.do_sample.unwrap_or(search.do_sample),
        }
    }

    /// What the output is called that says what follows.
    pub(crate) fn logits(&self) -> &str {
        let genai = self.genai.as_ref();
        genai.map_or("logits", |genai| &genai.model.decoder.outputs.logits)
    }

    /// Which inputs and outputs the decoder of that signature has.
    pub(crate) fn layout(&self, signature: &Signature) -> Result<Layout, NotADecoder> {
        let usual = (Inputs::default(), Outputs::default());
        let (inputs, outputs) = match &self.genai {
            Some(GenAi { model, .. }) => (&model.decoder.inputs, &model.decoder.outputs),
            None => (&usual.0, &usual.1),
        };
        let ports = Ports { signature };
        ports.input(&inputs.input_ids)?;
        ports.input(&inputs.attention_mask)?;
        let (past, present) = ports.caches(inputs, outputs)?;
        let positions = ports.input(&inputs.position_ids).ok();
        let positions = positions.map(|info| info.name.clone());
        let mut known = vec![&inputs.input_ids, &inputs.attention_mask];
        known.extend(past.iter().chain(&positions));
        let is_other = |input: &&TensorInfo| !known.contains(&&input.name);
        if let Some(other) = signature.inputs.iter().find(is_other) {
            let name = &other.name;
            return Err(NotADecoder(format!("its input `{name}` is not understood")));
        }
        let first = past.first().map(|name| ports.input(name)).transpose()?;
        let cache = first.and_then(|info| self.cache_shape(info));
        let cache = cache.ok_or_else(|| {
            NotADecoder("its caches are not floats of shape [batch, heads, tokens, size]".into())
        })?;
        let search = self.genai.as_ref().map(|genai| &genai.search);
        Ok(Layout {
            ids: inputs.input_ids.clone(),
            mask: inputs.attention_mask.clone(),
            positions,
            past,
            present,
            logits: outputs.logits.clone(),
            heads: cache.heads,
            head_size: cache.head_size,
            element: cache.element,
            vocabulary: ports.vocabulary(&outputs.logits)?,
            in_place: search.is_some_and(|search| search.past_present_share_buffer),
            last_alone: false,
        })
    }

    /// Heads and their size, which exports often leave to the descriptions beside them.
    fn cache_shape(&self, info: &TensorInfo) -> Option<CacheShape> {
        let [_, heads, _, head_size] = info.shape.as_slice() else {
            return None;
        };
        let genai = self.genai.as_ref().map(|genai| &genai.model.decoder);
        let told_heads = genai.and_then(|decoder| decoder.num_key_value_heads);
        let told_size = genai.and_then(|decoder| decoder.head_size);
        let size = |dim: i64, told: Option<usize>| {
            let fixed = usize::try_from(dim).ok().or(told);
            fixed.filter(|size| (1..=MAX_SIZE).contains(size))
        };
        let element = match info.datatype {
            DataType::Fp32 => Some(Element::Fp32),
            DataType::Fp16 => Some(Element::Fp16),
            DataType::Bool
            | DataType::Uint8
            | DataType::Uint16
            | DataType::Uint32
            | DataType::Uint64
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Bf16
            | DataType::Fp64
            | DataType::Bytes => None,
        };
        Some(CacheShape {
            heads: size(*heads, told_heads.or(self.config.num_key_value_heads))?,
            head_size: size(*head_size, told_size.or(self.config.head_dim))?,
            element: element?,
        })
    }
}

/// What a model takes and gives.
struct Ports<'s> {
    signature: &'s Signature,
}

impl<'s> Ports<'s> {
    fn input(&self, name: &str) -> Result<&'s TensorInfo, NotADecoder> {
        let found = self.signature.inputs.iter().find(|info| info.name == name);
        found.ok_or_else(|| NotADecoder(format!("it has no input `{name}`")))
    }

    fn output(&self, name: &str) -> Result<&'s TensorInfo, NotADecoder> {
        let found = self.signature.outputs.iter().find(|info| info.name == name);
        found.ok_or_else(|| NotADecoder(format!("it has no output `{name}`")))
    }

    /// The names of keys and values of every layer, what goes in and what comes out.
    fn caches(
        &self,
        inputs: &Inputs,
        outputs: &Outputs,
    ) -> Result<(Vec<String>, Vec<String>), NotADecoder> {
        let (mut past, mut present) = (Vec::new(), Vec::new());
        for layer in 0..MAX_LAYERS {
            let named = |pattern: &str| pattern.replace("%d", &layer.to_string());
            let key = named(&inputs.past_key_names);
            if layer > 0 && self.input(&key).is_err() {
                break;
            }
            past.extend([key, named(&inputs.past_value_names)]);
            present.extend([
                named(&outputs.present_key_names),
                named(&outputs.present_value_names),
            ]);
        }
        let mut first = None;
        for (name, after) in past.iter().zip(&present) {
            let (info, _) = (self.input(name)?, self.output(after)?);
            let first = first.get_or_insert(info);
            if info.shape != first.shape || info.datatype != first.datatype {
                return Err(NotADecoder("its layers' caches differ in shape".into()));
            }
        }
        Ok((past, present))
    }

    /// How many logits there are for a token.
    fn vocabulary(&self, logits: &str) -> Result<usize, NotADecoder> {
        let info = self.output(logits)?;
        let size = info
            .shape
            .last()
            .and_then(|size| usize::try_from(*size).ok());
        let fits = info.datatype == DataType::Fp32 && info.shape.len() == 3;
        size.filter(|size| fits && *size > 0).ok_or_else(|| {
            NotADecoder(
                "its logits are not 32-bit floats of shape [batch, tokens, vocabulary]".into(),
            )
        })
    }
}

impl Layout {
    /// The names of the inputs, in the order in which they are given.
    pub(super) fn inputs(&self) -> Vec<String> {
        let first = [&self.ids, &self.mask].into_iter().chain(&self.positions);
        first.chain(&self.past).cloned().collect()
    }

    /// The names of the outputs: logits, then the caches.
    pub(super) fn outputs(&self) -> Vec<String> {
        std::iter::once(&self.logits)
            .chain(&self.present)
            .cloned()
            .collect()
    }

    /// Bytes that one token takes in the caches of all layers.
    pub(super) fn token_bytes(&self) -> usize {
        self.past.len() * self.heads * self.head_size * self.element.size_bytes()
    }
}

/// The parts of a cache's shape that are fixed.
struct CacheShape {
    heads: usize,
    head_size: usize,
    element: Element,
}
