//! Names of models and of their files, as checked types: what is a path is made from these alone.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest;

/// The name of an installed model: `minilm`, `org/name`.
///
/// Letters, digits, `-`, `_`, `.` and `:`, in parts between slashes that each begin with a letter or a
/// digit; at most 128.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

impl ModelName {
    /// Reads a name; `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |part: &str| part.starts_with(|first: char| first.is_ascii_alphanumeric());
        let fits = manifest::is_name(text) && text.split('/').all(fits);
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one folder it lives in: the characters that are none in file names everywhere become ones
    /// that no name has.
    pub(super) fn folder(&self) -> String {
        self.0.replace('/', "+").replace(':', "=")
    }

    /// The name whose folder that is.
    pub(super) fn of_folder(folder: &str) -> Option<Self> {
        let name = Self::parse(&folder.replace('+', "/").replace('=', ":"))?;
        (name.folder() == folder).then_some(name)
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ModelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            format!(
                "`{shown}` is no name of a model, expected letters, digits, `-`, `_`, `.` or `:`, with `/` between parts"
            )
        })
    }
}

impl TryFrom<String> for ModelName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

/// A file of a model: a relative path that stays where it begins, written in one way only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

/// Longest path of a file, in bytes.
const MAX_PATH_BYTES: usize = 512;
/// Most folders that a file may lie in.
const MAX_DEPTH: usize = 16;

impl FileName {
    /// Reads a path; `None` when it climbs, is absolute, empty, too long, or written oddly.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
        let fits = text.len() <= MAX_PATH_BYTES
            && !text.contains(odd)
            && text.split('/').all(plain)
            && text.split('/').count() <= MAX_DEPTH;
        fits.then(|| Self(text.to_owned()))
    }

    /// The path of a file, below `folder`.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let parts: Option<Vec<_>> = path.iter().map(|part| part.to_str()).collect();
        Self::parse(&parts?.join("/"))
    }

    /// The path, with `/` between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it lies below `folder`.
    #[must_use]
    pub fn below(&self, folder: &Path) -> PathBuf {
        let mut path = folder.to_path_buf();
        path.extend(self.0.split('/'));
        path
    }

    /// Its last part.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The same path seen from `folder`; `None` when it does not lie there.
    #[must_use]
    pub fn inside(&self, folder: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(&folder.0)?.strip_prefix('/')?;
        Self::parse(rest)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for FileName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            let shown = text.escape_default().to_string();
            let shown: String = shown.chars().take(80).collect();
            format!("`{shown}` is not a plain path inside the model")
        })
    }
}

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    //! What is a name and what is not.

    use super::{FileName, ModelName};

    #[test]
    fn a_models_name_makes_one_folder_and_comes_back_from_it() {
        for name in ["minilm", "org/name", "qwen:0.5b", "a/b/c-1_2"] {
            let name = ModelName::parse(name).unwrap();
            assert!(!name.folder().contains(['/', ':']));
            assert_eq!(ModelName::of_folder(&name.folder()), Some(name));
        }
    }

    #[test]
    fn names_that_could_lead_elsewhere_are_none() {
        for name in [
            "", ".", "..", "../x", "/x", "a//b", "a/", "a/../b", ".x", "a+b", "a b", "ü",
        ] {
            assert_eq!(ModelName::parse(name), None, "{name}");
        }
        for path in [
            "", "/", "/a", "a/", "../a", "a/../b", "a/./b", "./a", "a//b", "a\\b", "c:a", "a\0",
            "a\n",
        ] {
            assert_eq!(FileName::parse(path), None, "{path}");
        }
        assert_eq!(FileName::parse(&"a/".repeat(17)), None);
        assert_eq!(FileName::parse(&"a".repeat(513)), None);
        assert!(FileName::parse("onnx/model.onnx_data").is_some());
    }
}
