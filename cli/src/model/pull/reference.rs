//! `hf:ORG/NAME@REVISION`: a repository of a hub, as people name it.

use std::fmt;
use std::str::FromStr;

use model_runtime::ModelName;

/// A repository of a hub, at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HubModel {
    name: ModelName,
    revision: String,
}

/// The revision when none is named.
const USUAL_REVISION: &str = "main";

impl HubModel {
    /// `ORG` and `NAME`.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.name.as_str().split('/')
    }

    /// What it is called when nobody says.
    pub(super) fn name(&self) -> ModelName {
        self.name.clone()
    }

    pub(super) fn revision(&self) -> &str {
        &self.revision
    }

    /// The same at one commit.
    pub(super) fn at(&self, commit: &str) -> String {
        format!("hf:{}@{commit}", self.name)
    }
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}@{}", self.name, self.revision)
    }
}

impl FromStr for HubModel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
            format!("`{shown}` is no model of a hub, expected hf:ORG/NAME or hf:ORG/NAME@REVISION")
        };
        let rest = text.strip_prefix("hf:").ok_or_else(wrong)?;
        let (name, revision) = rest.split_once('@').unwrap_or((rest, USUAL_REVISION));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let is_revision = (1..=128).contains(&revision.len())
            && revision.chars().all(plain)
            && revision
                .split('/')
                .all(|part| !matches!(part, "" | "." | ".."));
        let name = ModelName::parse(name).filter(|name| {
            let name = name.as_str();
            is_revision && !name.contains(':') && name.matches('/').count() <= 1
        });
        Ok(Self {
            name: name.ok_or_else(wrong)?,
            revision: revision.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    //! What names a repository and what does not.

    use super::HubModel;

    #[test]
    fn a_repository_is_named_with_a_revision_or_without() {
        for (text, shown) in [
            ("hf:org/name", "hf:org/name@main"),
            ("hf:gpt2", "hf:gpt2@main"),
            ("hf:org/name@refs/pr/3", "hf:org/name@refs/pr/3"),
        ] {
            assert_eq!(text.parse::<HubModel>().unwrap().to_string(), shown);
        }
        for text in [
            "org/name",
            "hf:",
            "hf:../x",
            "hf:a/b/c",
            "hf:a/b@",
            "hf:a/b@../..",
            "hf:a:b",
            "hf:a/b@x y",
            "hf:a/b?x=1",
            "hf:/etc",
        ] {
            assert!(text.parse::<HubModel>().is_err(), "{text}");
        }
    }
}
