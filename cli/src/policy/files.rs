//! Policy files, read within bounds.

use std::path::{Path, PathBuf};

use router_policy::Source;

use crate::client::Failure;

/// Most bytes of all files together.
const MAX_BYTES: usize = 32 << 20;
/// Most files.
const MAX_FILES: usize = 1000;

/// The texts of some files, each with its name.
#[derive(Debug)]
pub(super) struct Files(Vec<(String, String)>);

impl Files {
    /// Reads each path; of a folder, all that ends in `.yaml` or `.yml`, in the order of the names.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut files = Vec::new();
        let mut bytes = 0;
        for path in expanded(paths)? {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            bytes += text.len();
            if bytes > MAX_BYTES || files.len() >= MAX_FILES {
                let message =
                    format!("more than {MAX_FILES} files or {MAX_BYTES} bytes of policies");
                return Err(Failure::Usage(message));
            }
            files.push((name, text));
        }
        Ok(Self(files))
    }

    pub(super) fn sources(&self) -> Vec<Source<'_>> {
        let files = self.0.iter();
        files.map(|(name, text)| Source { name, text }).collect()
    }

    /// Whether some file holds a set, which includes what is in others.
    pub(super) fn belong_together(&self) -> bool {
        let is_set = |line: &str| line.trim_end() == "kind: PolicySet";
        self.0.iter().any(|(_, text)| text.lines().any(is_set))
    }
}

fn expanded(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| is_yaml(path))
            .collect();
        found.sort();
        if found.is_empty() {
            let message = format!("{} holds no .yaml file", path.display());
            return Err(Failure::Usage(message));
        }
        all.append(&mut found);
    }
    Ok(all)
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end == "yaml" || end == "yml")
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("could not read {}: {error}", path.display()))
}
