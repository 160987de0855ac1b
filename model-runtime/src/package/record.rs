//! `tideline-model.yaml`: what was installed into a folder of the store, where it came from, and the
//! digest of every file.
//!
//! Invariant: where a record lies, no other file than those it lists is used, and each is the one that
//! it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::name::{FileName, ModelName};
use super::{Digest, MAX_DESCRIPTION, PackageError, Precision, Task, bounded};

/// The record's name.
pub(super) const NAME: &str = "tideline-model.yaml";
/// Most files of one model.
pub(super) const MAX_FILES: usize = 512;
/// Most variants of one model.
const MAX_VARIANTS: usize = 64;

/// What is known of an installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// What it is called.
    pub name: ModelName,
    /// What it does.
    pub task: Task,
    /// Where it came from.
    pub source: Origin,
    /// When it was installed, in seconds of the Unix epoch.
    pub installed_unix_seconds: u64,
    /// Its licence, when its files or its hub say one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Its builds.
    pub variants: Vec<InstalledVariant>,
    /// Its files, by path.
    pub files: Vec<InstalledFile>,
}

/// Where an installed model came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Origin {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A repository of a model hub, as `hf:ORG/NAME@COMMIT`.
    Hub(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Hub(name) => f.write_str(name),
        }
    }
}

/// One build of an installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstalledVariant {
    /// Its name.
    pub name: String,
    /// The precision of its weights.
    pub precision: Precision,
    /// The size of its graph with all data.
    pub bytes: u64,
}

/// One file of an installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstalledFile {
    /// Relative to the model's folder.
    pub path: FileName,
    /// Its digest.
    pub sha256: Digest,
    /// Its size.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    spec: Record,
}

const API_VERSION: &str = "tideline.dev/v1";
const KIND: &str = "InstalledModel";

impl Record {
    /// The size of all files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The record as it is written.
    pub(super) fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        serde_yaml::to_string(&Document {
            api_version: API_VERSION.into(),
            kind: KIND.into(),
            spec: self.clone(),
        })
    }

    /// The record in `folder`, where there is one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, PackageError> {
        let path = folder.join(NAME);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(PackageError::NotPlain { path }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(PackageError::Read { path, source }),
        }
        let wrong = |reason: String| PackageError::Description {
            path: path.clone(),
            reason,
        };
        let document: Document = serde_yaml::from_slice(&bounded(&path, MAX_DESCRIPTION)?)
            .map_err(|error| wrong(error.to_string()))?;
        if document.api_version != API_VERSION || document.kind != KIND {
            return Err(wrong(format!(
                "expected apiVersion {API_VERSION} and kind {KIND}"
            )));
        }
        let record = document.spec;
        let bounds = [
            ("files", record.files.len(), MAX_FILES),
            ("variants", record.variants.len(), MAX_VARIANTS),
        ];
        for (what, count, most) in bounds {
            if count == 0 || count > most {
                return Err(wrong(format!("{what}: expected 1 to {most}, got {count}")));
            }
        }
        Ok(Some(record))
    }

    /// Checks that `folder` holds the files that are listed and no others, each plain and with its
    /// size, and that the small ones are what they should be. The large ones are checked as they are
    /// read.
    pub(super) fn check(&self, folder: &Path) -> Result<(), PackageError> {
        let mut listed: BTreeMap<&FileName, &InstalledFile> =
            self.files.iter().map(|file| (&file.path, file)).collect();
        for (name, path) in files_below(folder)? {
            if name.as_str() == NAME {
                continue;
            }
            let Some(file) = listed.remove(&name) else {
                return Err(PackageError::Unlisted { path });
            };
            if file.bytes <= MAX_DESCRIPTION {
                file.check(&path)?;
            } else {
                file.check_size(&path)?;
            }
        }
        match listed.into_keys().next() {
            None => Ok(()),
            Some(absent) => Err(PackageError::Read {
                path: absent.below(folder),
                source: std::io::ErrorKind::NotFound.into(),
            }),
        }
    }

    /// What is said of a file.
    pub(super) fn file(&self, path: &Path) -> Option<&InstalledFile> {
        let name = FileName::of(path)?;
        self.files.iter().find(|file| file.path == name)
    }
}

impl InstalledFile {
    /// Reads the whole file at `path`, and checks that it is this one.
    pub(super) fn check(&self, path: &Path) -> Result<(), PackageError> {
        self.check_size(path)?;
        let actual = Digest::of_file(path).map_err(|source| PackageError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        if actual == self.sha256 {
            return Ok(());
        }
        Err(PackageError::Digest {
            path: path.to_path_buf(),
            expected: self.sha256,
            actual,
        })
    }

    fn check_size(&self, path: &Path) -> Result<(), PackageError> {
        let metadata = path.symlink_metadata();
        let metadata = metadata.map_err(|source| PackageError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        if metadata.len() == self.bytes {
            return Ok(());
        }
        Err(PackageError::Size {
            path: path.to_path_buf(),
            expected: self.bytes,
            actual: metadata.len(),
        })
    }
}

/// Every file below `folder`, by name; links and files with other names elsewhere are refused.
fn files_below(folder: &Path) -> Result<Vec<(FileName, PathBuf)>, PackageError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        let failed = |source| PackageError::Read {
            path: current.clone(),
            source,
        };
        for entry in std::fs::read_dir(&current).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let metadata = path.symlink_metadata().map_err(failed)?;
            let name = path.strip_prefix(folder).ok().and_then(FileName::of);
            let name = name.ok_or_else(|| PackageError::Unlisted { path: path.clone() })?;
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && !crate::graph::is_shared(&metadata) {
                found.push((name, path));
            } else {
                return Err(PackageError::NotPlain { path });
            }
            if found.len() + folders.len() > 2 * MAX_FILES {
                return Err(PackageError::Unlisted { path: current });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
