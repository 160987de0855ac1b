//! Takes a folder that people have into the store: the files that make the model, and no others.

use std::collections::BTreeSet;
use std::path::Path;

use super::name::{FileName, ModelName};
use super::record::{InstalledVariant, Origin};
use super::store::{Change, Installed, Progress, StoreError};
use super::{MAX_GRAPH, Package, PackageError, Task, manifest, select};
use crate::graph;

/// What an opened package is, seen whole.
#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) task: Task,
    pub(super) variants: Vec<InstalledVariant>,
    /// The files that it needs.
    pub(super) files: BTreeSet<FileName>,
    pub(super) licence: Option<String>,
}

/// Copies the model in `folder` into the store, under its own name or another.
///
/// # Errors
/// When the folder is no model, a file of it is not acceptable, or the system refuses.
pub fn import(
    change: &Change,
    folder: &Path,
    name: Option<ModelName>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Installed, StoreError> {
    let read = |source| PackageError::Read {
        path: folder.to_path_buf(),
        source,
    };
    let folder = folder.canonicalize().map_err(read)?;
    let package = Package::open_as(&folder, name.as_ref())?;
    let name = match name {
        Some(name) => name,
        None => package.name().parse().map_err(StoreError::Name)?,
    };
    let inspection = inspect(&package)?;
    let mut staging = change.stage(name)?;
    for file in &inspection.files {
        staging.copy(file, &file.below(&folder), progress)?;
    }
    staging.install(Origin::Folder(folder), inspection.licence)
}

/// Reads the graphs of a package, and says what it is and which files make it.
pub(super) fn inspect(package: &Package) -> Result<Inspection, PackageError> {
    let root = &package.folder;
    let mut files = BTreeSet::new();
    let mut variants = Vec::new();
    let mut generates = package.task == Task::Generation;
    for variant in &package.variants {
        let path = root.join(&variant.model.path);
        let (bytes, _) = package.read(&variant.model, MAX_GRAPH)?;
        let folder = path.parent().unwrap_or(root);
        let summary = graph::check(&bytes, folder).map_err(|source| PackageError::Graph {
            path: path.clone(),
            source,
        })?;
        generates |= summary.has_past;
        let external = summary.external.iter().map(|file| folder.join(file));
        let mut size = 0;
        for path in std::iter::once(path.clone()).chain(external) {
            files.insert(named(root, &path)?);
            let metadata = path.metadata();
            size += metadata
                .map_err(|source| PackageError::Read { path, source })?
                .len();
        }
        variants.push(InstalledVariant {
            name: variant.name.clone(),
            precision: variant.precision,
            bytes: size,
        });
    }
    files.extend(descriptions(package)?);
    Ok(Inspection {
        task: if generates {
            Task::Generation
        } else {
            package.task
        },
        variants,
        files,
        licence: package.licence.clone().or_else(|| model_card(root)),
    })
}

/// The small files that say how the model is used, and its licence.
fn descriptions(package: &Package) -> Result<Vec<FileName>, PackageError> {
    let root = &package.folder;
    let mut found: Vec<_> = select::DESCRIPTIONS
        .iter()
        .chain(&[manifest::NAME])
        .filter(|name| root.join(name).is_file())
        .filter_map(|name| FileName::parse(name))
        .collect();
    if let Some(tokenizer) = &package.tokenizer {
        found.push(named(root, &root.join(&tokenizer.path))?);
    }
    let failed = |source| PackageError::Read {
        path: root.clone(),
        source,
    };
    for entry in std::fs::read_dir(root).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_str().and_then(FileName::parse);
        found.extend(
            name.filter(select::is_licence)
                .filter(|name| name.below(root).is_file()),
        );
    }
    Ok(found)
}

fn named(root: &Path, path: &Path) -> Result<FileName, PackageError> {
    let inside = path.strip_prefix(root).ok().and_then(FileName::of);
    inside.ok_or_else(|| PackageError::Path {
        path: root.to_path_buf(),
        name: path.display().to_string().chars().take(80).collect(),
    })
}

/// The licence in the head of a model card, as Hugging Face has it.
fn model_card(root: &Path) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Head {
        license: Option<String>,
    }
    let text = super::description(&root.join("README.md")).ok()?;
    let text = String::from_utf8(text).ok()?;
    let head = text.strip_prefix("---\n")?.split("\n---").next()?;
    serde_yaml::from_str::<Head>(head).ok()?.license
}

#[cfg(test)]
mod tests;
