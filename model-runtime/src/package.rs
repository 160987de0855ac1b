//! A model package: a directory with a manifest, or an export as Hugging Face and Optimum lay it out.
//!
//! Invariant: every path in an opened package is a plain relative one inside the directory, and what
//! a manifest says of a file (digest, size) is checked before the file is used.

mod digest;
mod layout;
mod manifest;

use std::io::Read;
use std::path::{Path, PathBuf};

pub use digest::Digest;
pub(crate) use layout::json;

use crate::graph::GraphError;

/// A package, opened: what it says it holds. Nothing large has been read yet.
#[derive(Debug, Clone)]
pub struct Package {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) task: Task,
    pub(crate) tokenizer: Option<FileEntry>,
    pub(crate) embedding: EmbeddingLayout,
    pub(crate) variants: Vec<VariantFile>,
}

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Vectors for texts.
    Embedding,
    /// Tensors for tensors.
    Infer,
    /// Text that goes on, token by token.
    Generation,
}

/// The precision of a variant's weights.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say all")]
pub enum Precision {
    Fp32,
    Fp16,
    Int8,
    Int4,
}

impl Precision {
    /// Its name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }
}

/// One build of the model.
#[derive(Debug, Clone)]
pub struct VariantFile {
    /// Its name.
    pub name: String,
    /// The precision of its weights.
    pub precision: Precision,
    pub(crate) model: FileEntry,
}

/// A file of the package.
#[derive(Debug, Clone)]
pub(crate) struct FileEntry {
    /// Relative to the package's directory.
    pub(crate) path: PathBuf,
    /// As the manifest says; `None` without one.
    pub(crate) expected: Option<(Digest, u64)>,
}

/// How a sequence of hidden states becomes one vector, as the model's own files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EmbeddingLayout {
    pub(crate) pooling: Pooling,
    pub(crate) normalise: bool,
    pub(crate) max_tokens: usize,
}

/// How hidden states are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    Mean,
    FirstToken,
}

/// Why a package is not used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file could not be read.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than is accepted.
    #[error("{} has more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is accepted.
        limit: u64,
    },
    /// A description in the package is wrong.
    #[error("{}: {reason}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A path in the manifest leads elsewhere.
    #[error("{}: `{name}` is not a plain path inside the package", path.display())]
    Path {
        /// The manifest.
        path: PathBuf,
        /// The path in it.
        name: String,
    },
    /// A file is not the one that the manifest names.
    #[error("{} is not the file that the manifest names: expected {expected}, got {actual}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// The manifest's digest.
        expected: Digest,
        /// The file's.
        actual: Digest,
    },
    /// There is neither a manifest nor a layout that is known.
    #[error("{} is not a model package: no model.yaml, and no model.onnx, onnx/model.onnx or genai_config.json", path.display())]
    NotAPackage {
        /// The directory.
        path: PathBuf,
    },
    /// There is no variant of that name.
    #[error("the model `{model}` has no variant `{name}`, expected one of: {known}")]
    NoVariant {
        /// The model.
        model: String,
        /// The name that was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// A graph is refused.
    #[error("{}: {source}", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GraphError,
    },
}

/// Largest description, in bytes.
const MAX_DESCRIPTION: u64 = 1 << 20;
/// Largest tokenizer, in bytes.
pub(crate) const MAX_TOKENIZER: u64 = 64 << 20;
/// Largest graph, in bytes: Protocol Buffers end there.
pub(crate) const MAX_GRAPH: u64 = (1 << 31) - 1;

impl Package {
    /// Opens the package in `folder`: reads its descriptions, and checks that they make sense.
    ///
    /// # Errors
    /// [`PackageError`], naming the file.
    pub fn open(folder: &Path) -> Result<Self, PackageError> {
        let manifest = folder.join(manifest::NAME);
        let mut package = if manifest.is_file() {
            manifest::read(folder)?
        } else {
            layout::recognise(folder)?
        };
        package.embedding = layout::embedding(folder)?;
        Ok(package)
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the model does.
    #[must_use]
    pub const fn task(&self) -> Task {
        self.task
    }

    /// Its builds.
    #[must_use]
    pub fn variants(&self) -> &[VariantFile] {
        &self.variants
    }

    /// The builds of those names, or all of them.
    pub(crate) fn chosen(&self, names: &[String]) -> Result<Vec<&VariantFile>, PackageError> {
        if names.is_empty() {
            return Ok(self.variants.iter().collect());
        }
        let known = || {
            self.variants
                .iter()
                .map(|variant| variant.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let find = |name: &String| {
            let found = self.variants.iter().find(|variant| variant.name == *name);
            found.ok_or_else(|| PackageError::NoVariant {
                model: self.name.clone(),
                name: name.clone(),
                known: known(),
            })
        };
        names.iter().map(find).collect()
    }

    /// Reads a file of the package, and checks that it is the one the manifest names.
    pub(crate) fn read(
        &self,
        entry: &FileEntry,
        limit: u64,
    ) -> Result<(Vec<u8>, Digest), PackageError> {
        let path = self.folder.join(&entry.path);
        let bytes = bounded(&path, limit)?;
        let actual = Digest::of(&bytes);
        match entry.expected {
            Some((expected, _)) if expected != actual => Err(PackageError::Digest {
                path,
                expected,
                actual,
            }),
            Some(_) | None => Ok((bytes, actual)),
        }
    }
}

/// The content of a plain file of at most `limit` bytes.
pub(crate) fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, PackageError> {
    let failed = |source| PackageError::Read {
        path: path.to_path_buf(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > limit {
        return Err(PackageError::TooLarge {
            path: path.to_path_buf(),
            limit,
        });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

fn description(path: &Path) -> Result<Vec<u8>, PackageError> {
    bounded(path, MAX_DESCRIPTION)
}
