//! What can be asked for: the models behind a protocol, as its listings and
//! metadata tell of them.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::request::{ModelName, TaskKind};
use crate::tensor::DataType;

/// Knows the models that can be asked for. Its methods are cheap: they are
/// called within requests.
pub trait Catalog: Send + Sync + fmt::Debug + 'static {
    /// The program behind the protocol.
    fn server(&self) -> ServerInfo;

    /// Whether requests can be served now.
    fn ready(&self) -> bool;

    /// All models, by name.
    fn models(&self) -> Vec<Arc<ModelCard>>;

    /// The model of that name.
    fn model(&self, name: &str) -> Option<Arc<ModelCard>>;
}

/// A program's name and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// One model, as its callers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCard {
    /// Its public name.
    pub name: ModelName,
    /// What it does.
    pub task: TaskKind,
    /// Whether it can serve now.
    pub ready: bool,
    /// Its versions, the newest last; may be empty.
    pub versions: Vec<String>,
    /// What runs it, by the Open Inference Protocol's names
    /// (`onnxruntime_onnx`); empty when unknown.
    pub platform: String,
    /// When it was made, in seconds of the Unix epoch.
    pub created_unix_seconds: u64,
    /// Who made it.
    pub owner: String,
    /// What it takes as tensors.
    pub inputs: Vec<TensorSpec>,
    /// What it gives as tensors.
    pub outputs: Vec<TensorSpec>,
    /// Its vectors, if it makes any.
    pub embedding: Option<EmbeddingShape>,
}

impl ModelCard {
    /// A model that is ready, and of which nothing else is known.
    #[must_use]
    pub const fn new(name: ModelName, task: TaskKind) -> Self {
        Self {
            name,
            task,
            ready: true,
            versions: Vec::new(),
            platform: String::new(),
            created_unix_seconds: 0,
            owner: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            embedding: None,
        }
    }
}

/// The vectors that a model makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddingShape {
    /// Their length.
    pub dimensions: NonZeroU32,
    /// Whether the model was trained so that the start of a vector, normalised
    /// again, is a good shorter vector (Matryoshka representation learning,
    /// arXiv 2205.13147). For any other model, shortening spoils them.
    pub can_be_shortened: bool,
}

/// A tensor that a model takes or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub datatype: DataType,
    /// Its dimensions; -1 where they vary.
    pub shape: Vec<i64>,
}
