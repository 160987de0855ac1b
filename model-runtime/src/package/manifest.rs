//! `model.yaml`: what a package says of itself.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{
    Digest, EmbeddingLayout, FileEntry, Package, PackageError, Precision, Task, VariantFile,
    description,
};

/// The manifest's name.
pub(super) const NAME: &str = "model.yaml";

/// Most variants in one package.
const MAX_VARIANTS: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    task: Task,
    licence: Option<String>,
    tokenizer: Option<File>,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    name: String,
    precision: Precision,
    model: File,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    file: String,
    sha256: String,
    bytes: u64,
}

/// Reads the manifest in `folder`.
pub(super) fn read(folder: &Path) -> Result<Package, PackageError> {
    let path = folder.join(NAME);
    let wrong = |reason: String| PackageError::Description {
        path: path.clone(),
        reason,
    };
    let document: Document =
        serde_yaml::from_slice(&description(&path)?).map_err(|error| wrong(error.to_string()))?;
    if document.api_version != "tideline.dev/v1" || document.kind != "Model" {
        return Err(wrong(
            "expected apiVersion tideline.dev/v1 and kind Model".into(),
        ));
    }
    let name = document.metadata.name;
    if !is_name(&name) {
        return Err(wrong(
            "metadata.name: expected 1 to 128 letters, digits, `-`, `_`, `.`, `:` or `/`".into(),
        ));
    }
    let spec = document.spec;
    if spec.variants.is_empty() || spec.variants.len() > MAX_VARIANTS {
        return Err(wrong(format!(
            "spec.variants: expected 1 to {MAX_VARIANTS}, got {}",
            spec.variants.len()
        )));
    }
    let entry = |file: File| {
        let relative = plain(&file.file).ok_or_else(|| PackageError::Path {
            path: path.clone(),
            name: file.file.clone(),
        })?;
        let digest = Digest::parse(&file.sha256).ok_or_else(|| {
            wrong(format!(
                "{}: expected sha256 as 64 hexadecimal digits",
                file.file
            ))
        })?;
        Ok(FileEntry {
            path: relative,
            expected: Some((digest, file.bytes)),
        })
    };
    let mut variants: Vec<VariantFile> = Vec::new();
    for Variant {
        name,
        precision,
        model,
    } in spec.variants
    {
        if !is_name(&name) || variants.iter().any(|known| known.name == name) {
            return Err(wrong(
                "spec.variants: a name is empty, too long or there twice".into(),
            ));
        }
        variants.push(VariantFile {
            name,
            precision,
            model: entry(model)?,
        });
    }
    Ok(Package {
        folder: folder.to_path_buf(),
        name,
        task: spec.task,
        tokenizer: spec.tokenizer.map(entry).transpose()?,
        embedding: EmbeddingLayout::USUAL,
        variants,
        licence: spec.licence,
        record: None,
    })
}

/// Names stand in addresses and headers, so they are kept plain.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    (1..=128).contains(&name.len()) && name.chars().all(plain)
}

/// A relative path that stays where it begins.
pub(super) fn plain(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (inside && !text.is_empty() && text.len() <= 512 && !text.contains('\\'))
        .then(|| path.to_path_buf())
}
