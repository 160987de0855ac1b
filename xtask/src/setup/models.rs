//! The models that are made here, by the scripts in `tests/fixtures`: made anew whenever a script
//! there changes.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::python::{Environment, read, requirements};
use super::step::{Folder, Key, Step};
use crate::repository;

/// The embedding model of demo and tests, from its published weights.
pub(crate) fn minilm(venv: &Environment) -> Result<()> {
    let weights = repository::setup().join("minilm-weights");
    let step = Step {
        name: "embedding model minilm",
        folder: "models/minilm",
        how: Folder::Whole,
        key: key("make_minilm.py", &["minilm", "models"])?,
    };
    step.once(|folder| {
        make(
            venv,
            "make_minilm.py",
            &[OsStr::new("--weights"), weights.as_os_str()],
            folder,
        )
    })
}

/// The small models of the tests.
pub(crate) fn fixtures(venv: &Environment) -> Result<()> {
    let step = Step {
        name: "models of the tests",
        folder: "models/fixtures",
        how: Folder::Whole,
        key: key("make_models.py", &["models"])?,
    };
    step.once(|folder| make(venv, "make_models.py", &[], folder))
}

/// The small decoders of the tests: one in the two forms that people have.
pub(crate) fn decoders(venv: &Environment) -> Result<()> {
    let step = Step {
        name: "decoders of the tests",
        folder: "models/decoders",
        how: Folder::Whole,
        key: key("make_decoders.py", &["models"])?,
    };
    step.once(|folder| make(venv, "make_decoders.py", &[], folder))
}

fn make(venv: &Environment, script: &str, arguments: &[&OsStr], folder: &Path) -> Result<()> {
    let script = repository::root().join("tests/fixtures").join(script);
    venv.run(
        &script,
        arguments
            .iter()
            .copied()
            .chain([OsStr::new("--out"), folder.as_os_str()]),
    )
}

/// A model depends on its script, on the modules that scripts share, and on the packages that they
/// use.
fn key(script: &str, groups: &[&str]) -> Result<Key> {
    let folder = repository::root().join("tests/fixtures");
    if !folder.join(script).is_file() {
        bail!("tests/fixtures/{script}, which makes this model, is not there");
    }
    let entries =
        fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == script || (name.ends_with(".py") && !name.starts_with("make_"))
    });
    files.sort();
    files.extend(groups.iter().map(|group| requirements(group)));
    let texts = files
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>>>()?;
    Ok(Key::of(
        &texts.iter().map(String::as_bytes).collect::<Vec<_>>(),
    ))
}
