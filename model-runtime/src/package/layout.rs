//! Layouts that people already have: exports by Hugging Face, Optimum and sentence-transformers.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{
    EmbeddingLayout, FileEntry, MAX_GRAPH, ModelName, Package, PackageError, Pooling, Precision,
    Task, VariantFile, bounded, description, manifest,
};
use crate::generate::Descriptions;
use crate::graph;

/// Where exports put their graphs, and what each is.
pub(super) const GRAPHS: [(&str, &str, Precision); 12] = [
    ("onnx/model.onnx", "fp32", Precision::Fp32),
    ("model.onnx", "fp32", Precision::Fp32),
    ("onnx/model_fp16.onnx", "fp16", Precision::Fp16),
    ("model_fp16.onnx", "fp16", Precision::Fp16),
    ("onnx/model_int8.onnx", "int8", Precision::Int8),
    ("onnx/model_quantized.onnx", "int8", Precision::Int8),
    ("model_int8.onnx", "int8", Precision::Int8),
    ("model_quantized.onnx", "int8", Precision::Int8),
    ("onnx/model_q4.onnx", "int4", Precision::Int4),
    ("onnx/model_q4f16.onnx", "int4", Precision::Int4),
    ("model_q4.onnx", "int4", Precision::Int4),
    ("model_q4f16.onnx", "int4", Precision::Int4),
];

impl EmbeddingLayout {
    /// What sentence-transformers does with a model that says nothing.
    pub(super) const USUAL: Self = Self {
        pooling: Pooling::Mean,
        normalise: false,
        max_tokens: 512,
    };
}

/// A package without a manifest, by the files that are there.
pub(super) fn recognise(folder: &Path, name: Option<&ModelName>) -> Result<Package, PackageError> {
    let mut variants: Vec<VariantFile> = Vec::new();
    for (file, name, precision) in GRAPHS {
        let known = variants.iter().any(|variant| variant.name == name);
        if !known && folder.join(file).is_file() {
            let model = FileEntry {
                path: PathBuf::from(file),
                expected: None,
            };
            variants.push(VariantFile {
                name: name.into(),
                precision,
                model,
            });
        }
    }
    let generates = folder.join("genai_config.json").is_file();
    if generates {
        variants = vec![decoder(folder)?];
    }
    let own = folder.file_name().and_then(|name| name.to_str());
    let name = name.map(ModelName::as_str).or(own);
    let name = name.filter(|name| manifest::is_name(name));
    let (Some(name), false) = (name, variants.is_empty()) else {
        return Err(PackageError::NotAPackage {
            path: folder.to_path_buf(),
        });
    };
    let tokenizer = folder.join("tokenizer.json").is_file();
    Ok(Package {
        folder: folder.to_path_buf(),
        name: name.to_owned(),
        // A decoder without a description is known by its inputs, once it is loaded.
        task: match (generates, tokenizer) {
            (true, _) => Task::Generation,
            (false, true) => Task::Embedding,
            (false, false) => Task::Infer,
        },
        tokenizer: tokenizer.then(|| FileEntry {
            path: "tokenizer.json".into(),
            expected: None,
        }),
        embedding: EmbeddingLayout::USUAL,
        variants,
        licence: None,
        record: None,
    })
}

/// The decoder of an ONNX Runtime GenAI folder, named by what its weights are.
fn decoder(folder: &Path) -> Result<VariantFile, PackageError> {
    let descriptions = Descriptions::read(folder)?;
    let file = descriptions.file().unwrap_or("model.onnx");
    let path = manifest::plain(file).ok_or_else(|| PackageError::Path {
        path: folder.join("genai_config.json"),
        name: file.chars().take(80).collect(),
    })?;
    let whole = folder.join(&path);
    let bytes = bounded(&whole, MAX_GRAPH)?;
    let summary = graph::check(&bytes, folder).map_err(|source| PackageError::Graph {
        path: whole,
        source,
    })?;
    Ok(VariantFile {
        name: summary.precision.name().into(),
        precision: summary.precision,
        model: FileEntry {
            path,
            expected: None,
        },
    })
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct PoolingFile {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

#[derive(Deserialize)]
struct SentenceFile {
    max_seq_length: Option<usize>,
}

/// How the model makes vectors, as its sentence-transformers files say.
pub(super) fn embedding(folder: &Path) -> Result<EmbeddingLayout, PackageError> {
    let mut layout = EmbeddingLayout::USUAL;
    if let Some(file) = json::<SentenceFile>(&folder.join("sentence_bert_config.json"))? {
        layout.max_tokens = file
            .max_seq_length
            .unwrap_or(layout.max_tokens)
            .clamp(2, 1 << 20);
    }
    let modules = json::<Vec<Module>>(&folder.join("modules.json"))?.unwrap_or_default();
    for module in modules {
        if module.kind.ends_with(".Normalize") {
            layout.normalise = true;
        }
        if module.kind.ends_with(".Pooling") {
            layout.pooling = pooling(folder, &module.path)?;
        }
    }
    Ok(layout)
}

fn pooling(folder: &Path, subfolder: &str) -> Result<Pooling, PackageError> {
    let path = folder.join("1_Pooling/config.json");
    let wrong = |reason: &str| PackageError::Description {
        path: path.clone(),
        reason: reason.into(),
    };
    // The name is always this one; another would only be a way out of the folder.
    if subfolder != "1_Pooling" {
        return Err(wrong(
            "modules.json keeps the pooling elsewhere, expected 1_Pooling",
        ));
    }
    let file = json::<PoolingFile>(&path)?.ok_or_else(|| wrong("it is not there"))?;
    match (file.pooling_mode_mean_tokens, file.pooling_mode_cls_token) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::FirstToken),
        (false, false) | (true, true) => Err(wrong(
            "expected pooling by mean or by first token, and one of them",
        )),
    }
}

/// A small JSON file; `None` where there is none.
pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, PackageError> {
    if !path.is_file() {
        return Ok(None);
    }
    let parsed = serde_json::from_slice(&description(path)?);
    parsed.map(Some).map_err(|error| PackageError::Description {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}
