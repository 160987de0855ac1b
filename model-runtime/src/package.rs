//! A model package: a directory with a manifest, or an export as Hugging Face and Optimum lay it out;
//! and the store that keeps such directories.
//!
//! Invariant: every path in an opened package is a plain relative one inside the directory, and what
//! a manifest or the store's record says of a file (digest, size) is checked before the file is used.

mod digest;
mod import;
mod layout;
mod manifest;
mod name;
mod record;
mod select;
mod store;

use std::io::Read;
use std::path::{Path, PathBuf};

pub use digest::Digest;
pub use import::import;
pub(crate) use layout::json;
pub use name::{FileName, ModelName};
pub use record::{InstalledFile, InstalledVariant, Origin, Record};
pub use select::{Choice, SelectError, select};
pub use store::{Change, Installed, Progress, Staging, Store, StoreError};

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
    /// What the manifest says of the licence.
    licence: Option<String>,
    /// What the store says of the files.
    record: Option<Record>,
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
    /// An installed file has not the size that it was installed with.
    #[error("{} is not the file that was installed: expected {expected} bytes, got {actual}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// As it was installed.
        expected: u64,
        /// As it is.
        actual: u64,
    },
    /// A file came into an installed model's folder that is none of it.
    #[error("{} is not among the files that were installed; remove it", path.display())]
    Unlisted {
        /// The file.
        path: PathBuf,
    },
    /// A file of a model is a link, a device, or has another name elsewhere.
    #[error("{} is a link, expected a plain file of its own; `cp -rL` makes a copy of a folder without links", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
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
        Self::open_as(folder, None)
    }

    /// The same, under another name than the folder's or the manifest's.
    pub(crate) fn open_as(folder: &Path, name: Option<&ModelName>) -> Result<Self, PackageError> {
        let record = Record::read(folder)?;
        if let Some(record) = &record {
            record.check(folder)?;
        }
        let name = name.or_else(|| record.as_ref().map(|record| &record.name));
        let manifest = folder.join(manifest::NAME);
        let mut package = if manifest.is_file() {
            manifest::read(folder)?
        } else {
            layout::recognise(folder, name)?
        };
        if let Some(name) = name {
            package.name = name.as_str().to_owned();
        }
        package.embedding = layout::embedding(folder)?;
        package.record = record;
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
        let installed = self.record.as_ref().and_then(|it| it.file(&entry.path));
        let expected = [
            entry.expected.map(|(digest, _)| digest),
            installed.map(|file| file.sha256),
        ];
        match expected.into_iter().flatten().find(|it| *it != actual) {
            Some(expected) => Err(PackageError::Digest {
                path,
                expected,
                actual,
            }),
            None => Ok((bytes, actual)),
        }
    }

    /// Checks the files that hold data of a graph in `folder`: they are read by ONNX Runtime, and must
    /// be those that were installed.
    pub(crate) fn check_external(
        &self,
        folder: &Path,
        external: &[PathBuf],
    ) -> Result<(), PackageError> {
        let Some(record) = &self.record else {
            return Ok(());
        };
        for path in external {
            let path = folder.join(path);
            let inside = path.strip_prefix(&self.folder).ok();
            match inside.and_then(|inside| record.file(inside)) {
                Some(file) => file.check(&path)?,
                None => return Err(PackageError::Unlisted { path }),
            }
        }
        Ok(())
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
