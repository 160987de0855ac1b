//! A loaded model: what it says of itself, and how it is run.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::embed::Embedder;
use crate::engine::gather::runs;
use crate::engine::{Engine, Inference, Power, RunError};
use crate::figures::{Figures, Speed};
use crate::generate::{
    Begun, ChatMessage, Format, GenerateRequest, Generation, Generator, Guide, Guides, Habits,
    Sampling, Template, TemplateError,
};
use crate::package::{Digest, Precision, Task};
use crate::provider::ProviderName;
use crate::tensor::{DataType, Tensor};
use crate::text::{Text, TextError, TokenizedText};

/// A loaded model. A clone is another handle to the same; the last one unloads it.
#[derive(Clone)]
pub struct Model(pub(crate) Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) task: Task,
    pub(crate) signature: Signature,
    pub(crate) text: Option<Text>,
    pub(crate) embedder: Option<Embedder>,
    pub(crate) generation: Option<Generates>,
    pub(crate) variants: Vec<Loaded>,
}

/// What a model that generates brings along.
pub(crate) struct Generates {
    pub(crate) habits: Habits,
    pub(crate) template: Result<Template, TemplateError>,
    /// Made when the first answer is to be held to a format.
    pub(crate) guides: OnceLock<Result<Guides, RunError>>,
}

pub(crate) struct Loaded {
    pub(crate) report: VariantReport,
    pub(crate) serving: Serving,
}

/// What runs a variant.
pub(crate) enum Serving {
    Tensors(Engine),
    Text(Generator),
}

/// What goes in and what comes out, as tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What goes in.
    pub inputs: Vec<TensorInfo>,
    /// What comes out.
    pub outputs: Vec<TensorInfo>,
}

/// A tensor that a model takes or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub datatype: DataType,
    /// Its dimensions; -1 where they vary.
    pub shape: Vec<i64>,
}

/// The vectors that an embedding model makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddingInfo {
    /// Their length.
    pub dimensions: usize,
    /// The longest text in tokens; longer ones are cut there, as the model's own files say.
    pub max_tokens: usize,
}

/// The text that a model generates.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationInfo {
    /// Most tokens of prompt and answer together.
    pub context: usize,
    /// How tokens are drawn when nobody says, by the model's own files.
    pub sampling: Sampling,
    /// Whether it takes conversations.
    pub chats: bool,
}

/// What serves a variant, and why.
#[derive(Debug, Clone)]
pub struct VariantReport {
    /// Its name.
    pub name: String,
    /// The precision of its weights.
    pub precision: Precision,
    /// Digest of its graph.
    pub sha256: Digest,
    /// Size of its graph in bytes.
    pub bytes: u64,
    /// The providers that were wanted.
    pub wanted: Vec<ProviderName>,
    /// The one that serves.
    pub serving: ProviderName,
    /// Why that one.
    pub why: String,
    /// What serves it is as fast as this.
    pub speed: Speed,
    /// Each provider that was tried.
    pub attempts: Vec<Attempt>,
    /// Which providers really run its nodes.
    pub node_shares: Vec<NodeShare>,
    /// How long loading took, measuring included.
    pub load_time: Duration,
}

/// One provider that was tried.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The provider.
    pub provider: ProviderName,
    /// What it measured, or why it is set aside.
    pub outcome: Result<Figures, String>,
}

/// The share of a graph's nodes that a provider runs.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeShare {
    /// By ONNX Runtime's name.
    pub provider: String,
    /// How many nodes, after optimisation.
    pub nodes: usize,
    /// From 0 to 1.
    pub share: f64,
}

/// The vectors of an embedding.
#[derive(Clone, PartialEq)]
pub struct Embedded {
    /// One for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens that went in.
    pub tokens: u32,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Embedded({} vectors, {} tokens)",
            self.vectors.len(),
            self.tokens
        )
    }
}

impl Model {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What it does.
    #[must_use]
    pub fn task(&self) -> Task {
        self.0.task
    }

    /// What goes in and what comes out, as tensors.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.0.signature
    }

    /// Its vectors, if it makes any.
    #[must_use]
    pub fn embedding(&self) -> Option<EmbeddingInfo> {
        let dimensions = self.0.embedder.as_ref()?.dimensions();
        Some(EmbeddingInfo {
            dimensions,
            max_tokens: self.0.text.as_ref()?.max_tokens(),
        })
    }

    /// Whether it takes texts: it has a tokenizer, and a use for it.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        self.0.text.is_some() && self.0.task != Task::Infer
    }

    /// The text that it generates, if it does.
    #[must_use]
    pub fn generation(&self) -> Option<GenerationInfo> {
        let Generates {
            habits, template, ..
        } = self.0.generation.as_ref()?;
        Some(GenerationInfo {
            context: habits.context,
            sampling: habits.sampling(),
            chats: template.is_ok(),
        })
    }

    /// The prompt of a conversation, by the model's own template. Tools are objects as OpenAI writes
    /// them.
    ///
    /// # Errors
    /// [`RunError::Template`] when the template does not take it; nothing repeats content.
    pub fn chat_prompt(
        &self,
        messages: &[ChatMessage],
        tools: &[serde_json::Value],
    ) -> Result<TokenizedText, RunError> {
        let generates = self.0.generation.as_ref().ok_or(RunError::WrongTask)?;
        let template = generates.template.as_ref().map_err(Clone::clone)?;
        let prompt = template.prompt(messages, tools)?;
        self.within_context(self.text()?.prompt(&prompt, false)?)
    }

    /// The prompt of a text that goes on.
    ///
    /// # Errors
    /// [`RunError::ContextLength`] when it is too long.
    pub fn text_prompt(&self, text: &str) -> Result<TokenizedText, RunError> {
        self.within_context(self.text()?.prompt(text, true)?)
    }

    /// The prompt of a text that goes on, as the model's own token ids.
    ///
    /// # Errors
    /// [`TextError::UnknownId`] for an id that the model does not have.
    pub fn token_prompt(&self, ids: &[u32]) -> Result<TokenizedText, RunError> {
        let vocabulary = self.text()?.vocabulary();
        if let Some(&id) = ids.iter().find(|id| **id >= vocabulary) {
            return Err(TextError::UnknownId { id, vocabulary }.into());
        }
        if ids.is_empty() {
            return Err(TextError::Empty.into());
        }
        self.within_context(TokenizedText(ids.into()))
    }

    /// The beginning of an answer whose text was shown, by this model's tokens: those that drew it,
    /// where they are this model's, or else those that its text is.
    ///
    /// # Errors
    /// [`RunError::WrongTask`] when the model has no tokenizer.
    pub fn begun(&self, shown: &str, tokens: &[u32]) -> Result<Begun, RunError> {
        if shown.is_empty() && tokens.is_empty() {
            return Ok(Begun {
                tokens: Vec::new(),
                shown: 0,
            });
        }
        let text = self.text()?;
        let is_mine = |tokens: &[u32]| {
            let decoded = text.decode(tokens);
            !tokens.is_empty() && decoded.is_some_and(|decoded| decoded.starts_with(shown))
        };
        let tokens = if is_mine(tokens) {
            tokens.to_vec()
        } else {
            text.prompt(shown, false)?.0.into_vec()
        };
        Ok(Begun {
            tokens,
            shown: shown.len(),
        })
    }

    fn within_context(&self, prompt: TokenizedText) -> Result<TokenizedText, RunError> {
        let generates = self.0.generation.as_ref().ok_or(RunError::WrongTask)?;
        let context = generates.habits.context;
        if prompt.len() >= context {
            return Err(RunError::ContextLength {
                context,
                prompt: prompt.len(),
            });
        }
        Ok(prompt)
    }

    /// What holds an answer to `format`. The first takes a moment, which depends on the vocabulary.
    ///
    /// # Errors
    /// [`RunError::Format`] when nothing can fit the schema, or it is not understood.
    pub fn guide(&self, format: &Format) -> Result<Guide, RunError> {
        let generates = self.0.generation.as_ref().ok_or(RunError::WrongTask)?;
        let text = self.text()?;
        let guides = generates.guides.get_or_init(|| {
            let tokenizer = text.to_json().ok_or(RunError::Output)?;
            let end = generates.habits.ends.first().copied().unwrap_or(0);
            Guides::new(&tokenizer, text.vocabulary(), end)
        });
        guides.as_ref().map_err(Clone::clone)?.guide(format)
    }

    /// Begins an answer, by the variant of that name.
    ///
    /// # Errors
    /// [`RunError::Overloaded`] when too much waits; what goes wrong later comes with the pieces.
    pub fn generate(
        &self,
        variant: &str,
        request: GenerateRequest,
    ) -> Result<Generation, RunError> {
        match &self.variant(variant)?.serving {
            Serving::Text(generator) => generator.generate(request),
            Serving::Tensors(_) => Err(RunError::WrongTask),
        }
    }

    /// What serves each of its variants, and why.
    pub fn variants(&self) -> impl Iterator<Item = &VariantReport> {
        self.0.variants.iter().map(|loaded| &loaded.report)
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// [`TextError`], which never repeats the text.
    pub fn tokenise(&self, text: &str) -> Result<TokenizedText, TextError> {
        self.text()?.tokenise(text)
    }

    /// Token ids as a caller gave them, with the model's special ones around them.
    ///
    /// # Errors
    /// [`TextError::UnknownId`] for an id that the model does not have.
    pub fn accept_tokens(&self, ids: &[u32]) -> Result<TokenizedText, TextError> {
        self.text()?.accept(ids)
    }

    /// The text that token ids stand for; `None` when they stand for none.
    #[must_use]
    pub fn text_of(&self, ids: &[u32]) -> Option<String> {
        self.0.text.as_ref()?.decode(ids)
    }

    /// The vectors of `texts`, by the variant of that name.
    ///
    /// # Errors
    /// [`RunError`]; when one run fails, all do.
    pub async fn embed(
        &self,
        variant: &str,
        texts: Vec<TokenizedText>,
        deadline: Instant,
    ) -> Result<Embedded, RunError> {
        let engine = self.engine(variant, Task::Embedding)?;
        let lengths: Vec<usize> = texts.iter().map(TokenizedText::len).collect();
        let tokens = u32::try_from(lengths.iter().sum::<usize>()).unwrap_or(u32::MAX);
        if let [_] = texts.as_slice() {
            let answer = engine.embed(texts, deadline)?;
            return Ok(Embedded {
                vectors: answer.await.unwrap_or(Err(RunError::Stopped))?,
                tokens,
            });
        }
        let mut texts: Vec<Option<TokenizedText>> = texts.into_iter().map(Some).collect();
        let mut vectors = vec![Vec::new(); texts.len()];
        // All are queued before any is awaited, so that they spread over the sessions.
        let mut under_way = Vec::new();
        for run in runs(&lengths) {
            let batch = run
                .iter()
                .filter_map(|&place| texts.get_mut(place).and_then(Option::take))
                .collect();
            under_way.push((engine.embed(batch, deadline)?, run));
        }
        for (answer, run) in under_way {
            let made = answer.await.unwrap_or(Err(RunError::Stopped))?;
            for (place, vector) in run.into_iter().zip(made) {
                vectors[place] = vector;
            }
        }
        Ok(Embedded { vectors, tokens })
    }

    /// The outputs for these inputs, by the variant of that name. Without names of outputs, all.
    ///
    /// # Errors
    /// [`RunError::Input`] when the inputs are not what the model takes.
    pub async fn infer(
        &self,
        variant: &str,
        inputs: Vec<Tensor>,
        outputs: Vec<String>,
        deadline: Instant,
    ) -> Result<Vec<Tensor>, RunError> {
        let engine = self.engine(variant, Task::Infer)?;
        self.0.signature.check(&inputs, &outputs)?;
        let answer = engine.infer(Inference { inputs, outputs }, deadline)?;
        answer.await.unwrap_or(Err(RunError::Stopped))
    }

    /// How much waits for the variant of that name.
    #[must_use]
    pub fn waiting(&self, variant: &str) -> usize {
        self.loaded(variant)
            .map_or(0, |loaded| match &loaded.serving {
                Serving::Tensors(engine) => engine.waiting(),
                Serving::Text(generator) => generator.waiting(),
            })
    }

    /// How much power its runs may draw from now on.
    pub fn set_power(&self, power: Power) {
        for loaded in &self.0.variants {
            match &loaded.serving {
                Serving::Tensors(engine) => engine.set_power(power),
                // One answer at a time is what it does anyway when nobody else asks.
                Serving::Text(_) => {}
            }
        }
    }

    fn text(&self) -> Result<&Text, TextError> {
        self.0
            .text
            .as_ref()
            .ok_or_else(|| TextError::None(self.0.name.clone()))
    }

    fn loaded(&self, variant: &str) -> Option<&Loaded> {
        self.0
            .variants
            .iter()
            .find(|loaded| loaded.report.name == variant)
    }

    fn engine(&self, variant: &str, task: Task) -> Result<&Engine, RunError> {
        // Raw tensors are taken by text models too: that is how others serve them.
        if task == Task::Embedding && self.0.task != Task::Embedding {
            return Err(RunError::WrongTask);
        }
        match &self.variant(variant)?.serving {
            Serving::Tensors(engine) => Ok(engine),
            Serving::Text(_) => Err(RunError::WrongTask),
        }
    }

    fn variant(&self, variant: &str) -> Result<&Loaded, RunError> {
        self.loaded(variant)
            .ok_or_else(|| RunError::Input(format!("the model has no variant `{variant}`")))
    }
}

impl Signature {
    /// Whether these inputs are what the model takes. ONNX Runtime would notice too, in its own words.
    fn check(&self, inputs: &[Tensor], outputs: &[String]) -> Result<(), RunError> {
        for (at, tensor) in inputs.iter().enumerate() {
            let Some(info) = self.inputs.iter().find(|info| info.name == tensor.name) else {
                return Err(RunError::Input(unknown(
                    "input",
                    &tensor.name,
                    &self.inputs,
                )));
            };
            if inputs
                .iter()
                .take(at)
                .any(|other| other.name == tensor.name)
            {
                return Err(RunError::Input(format!(
                    "the input `{}` is there twice",
                    info.name
                )));
            }
            info.check(tensor)?;
        }
        if let Some(missing) = self
            .inputs
            .iter()
            .find(|info| inputs.iter().all(|tensor| tensor.name != info.name))
        {
            return Err(RunError::Input(format!(
                "the input `{}` is missing",
                missing.name
            )));
        }
        match outputs
            .iter()
            .find(|name| self.outputs.iter().all(|info| info.name != **name))
        {
            Some(name) => Err(RunError::Input(unknown("output", name, &self.outputs))),
            None => Ok(()),
        }
    }
}

impl TensorInfo {
    fn check(&self, tensor: &Tensor) -> Result<(), RunError> {
        let Self {
            name,
            datatype,
            shape,
        } = self;
        if *datatype != tensor.datatype {
            return Err(RunError::Input(format!(
                "the input `{name}` is of type {datatype:?}, got {:?}",
                tensor.datatype
            )));
        }
        let fits = |(wanted, got): (&i64, &i64)| *wanted < 0 || wanted == got;
        if shape.len() != tensor.shape.len() || !shape.iter().zip(&tensor.shape).all(fits) {
            return Err(RunError::Input(format!(
                "the input `{name}` has shape {shape:?}, got {:?}",
                tensor.shape
            )));
        }
        Ok(())
    }
}

fn unknown(what: &str, name: &str, known: &[TensorInfo]) -> String {
    let name: String = name.chars().take(64).collect();
    let nearest = known.iter().max_by(|a, b| {
        let likeness = |info: &TensorInfo| strsim::jaro_winkler(&info.name, &name);
        likeness(a).total_cmp(&likeness(b))
    });
    match nearest {
        Some(near) => format!(
            "the model has no {what} `{name}`, did you mean `{}`?",
            near.name
        ),
        None => format!("the model has no {what} `{name}`"),
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Model({}, {} variants)",
            self.0.name,
            self.0.variants.len()
        )
    }
}
