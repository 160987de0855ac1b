//! Which files of a published repository make a model: a pure choice among their paths.

use super::layout::GRAPHS;
use super::name::FileName;

/// The small files that say how a model is used.
pub(super) const DESCRIPTIONS: [&str; 17] = [
    "1_Pooling/config.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "config.json",
    "config_sentence_transformers.json",
    "genai_config.json",
    "generation_config.json",
    "merges.txt",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "ort_config.json",
];

/// What is known by itself to be chosen when nobody says.
const USUAL_VARIANTS: [&str; 4] = ["int8", "fp32", "fp16", "int4"];

/// What is wanted of a repository.
#[derive(Debug, Clone, Default)]
pub struct Choice<'c> {
    /// The folder in it that holds the model; its root when unset.
    pub folder: Option<&'c FileName>,
    /// The variant; int8 when there is one, otherwise fp32, when unset.
    pub variant: Option<&'c str>,
    /// Files to take in the place of the variant's graph.
    pub files: &'c [FileName],
}

/// Why there is nothing to choose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// There is no graph anywhere.
    #[error("it holds no ONNX files{}", weights(*.has_weights))]
    NoOnnx {
        /// Whether it holds weights in another format.
        has_weights: bool,
    },
    /// There are models, in folders below.
    #[error("it keeps its models in folders, expected --folder with one of: {}", .folders.join(", "))]
    InFolders {
        /// The folders.
        folders: Vec<String>,
    },
    /// There are graphs, and none has a name that is known.
    #[error("its ONNX files have names that are not known, expected --file with one of: {}", .files.join(", "))]
    Unknown {
        /// Some of them.
        files: Vec<String>,
    },
    /// There is no such variant.
    #[error("it has no variant `{wanted}`, expected one of: {}", .known.join(", "))]
    NoVariant {
        /// The variant that was asked for.
        wanted: String,
        /// Those that are there.
        known: Vec<String>,
    },
}

const fn weights(has_weights: bool) -> &'static str {
    if has_weights {
        ", but weights for PyTorch; `optimum-cli export onnx --model ORG/NAME DIR` makes ONNX of them, and \
         `tideline model import DIR` takes that"
    } else {
        ""
    }
}

/// Most names that an error lists.
const MAX_LISTED: usize = 12;

/// The files that make the chosen model, out of all paths of a repository.
///
/// # Errors
/// [`SelectError`] when no model can be made of them; it says what to ask for.
pub fn select(paths: &[FileName], choice: &Choice<'_>) -> Result<Vec<FileName>, SelectError> {
    let inside = |path: &FileName| match choice.folder {
        Some(folder) => path.inside(folder),
        None => Some(path.clone()),
    };
    let here: Vec<_> = paths
        .iter()
        .filter_map(|path| Some((inside(path)?, path)))
        .collect();
    let has = |name: &str| here.iter().any(|(inside, _)| inside.as_str() == name);
    let graphs: Vec<&str> = if !choice.files.is_empty() {
        Vec::new()
    } else if has("genai_config.json") {
        here.iter()
            .map(|(inside, _)| inside.as_str())
            .filter(|path| path.ends_with(".onnx") && !path.contains('/'))
            .collect()
    } else {
        let known = GRAPHS.iter().filter(|(file, ..)| has(file));
        let known: Vec<_> = known.map(|(file, name, _)| (*file, *name)).collect();
        vec![variant(&known, choice.variant)?.ok_or_else(|| none(paths, choice))?]
    };
    let wanted = |path: &FileName| {
        DESCRIPTIONS.contains(&path.as_str())
            || is_licence(path)
            || graphs.iter().any(|graph| belongs(path.as_str(), graph))
    };
    if graphs.is_empty() && choice.files.is_empty() {
        return Err(none(paths, choice));
    }
    let asked = |path: &FileName| choice.files.contains(path);
    let chosen = here
        .iter()
        .filter(|(inside, path)| wanted(inside) || asked(path));
    Ok(chosen.map(|(_, path)| (*path).clone()).collect())
}

/// Whether a file is the graph, or data of it as exporters name it.
fn belongs(path: &str, graph: &str) -> bool {
    path.strip_prefix(graph).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with("_data") || rest.starts_with(".data")
    })
}

/// A file that says under which terms the model may be used.
pub(super) fn is_licence(path: &FileName) -> bool {
    let name = path.as_str().to_ascii_uppercase();
    let names = ["LICENSE", "LICENCE", "NOTICE", "COPYING"];
    !name.contains('/') && names.iter().any(|known| name.starts_with(known))
}

/// The graph of the wanted variant, or of the usual one.
fn variant<'g>(
    known: &[(&'g str, &str)],
    wanted: Option<&str>,
) -> Result<Option<&'g str>, SelectError> {
    let find = |name: &str| {
        let found = known.iter().find(|(_, variant)| *variant == name);
        found.map(|(file, _)| *file)
    };
    let Some(wanted) = wanted else {
        return Ok(USUAL_VARIANTS.iter().find_map(|name| find(name)));
    };
    // Exporters' own word for it.
    let name = if wanted == "quantized" {
        "int8"
    } else {
        wanted
    };
    let found = find(name);
    if found.is_some() || known.is_empty() {
        return Ok(found);
    }
    let mut known: Vec<_> = known.iter().map(|(_, name)| (*name).to_owned()).collect();
    known.dedup();
    let wanted = wanted.to_owned();
    Err(SelectError::NoVariant { wanted, known })
}

/// Why nothing was found, and where it may be.
fn none(paths: &[FileName], choice: &Choice<'_>) -> SelectError {
    let folder = |path: &FileName| {
        let folder = path.as_str().strip_suffix("/genai_config.json")?;
        Some(folder.to_owned())
    };
    let folders: Vec<_> = paths.iter().filter_map(folder).take(MAX_LISTED).collect();
    if !folders.is_empty() {
        return SelectError::InFolders { folders };
    }
    let graphs = paths.iter().filter(|path| path.as_str().ends_with(".onnx"));
    let files: Vec<_> = graphs.map(|it| it.as_str().to_owned()).collect();
    if !files.is_empty() && choice.folder.is_none() {
        let files = files.into_iter().take(MAX_LISTED).collect();
        return SelectError::Unknown { files };
    }
    let ends = [".safetensors", ".bin", ".pt", ".pth"];
    let is_weights = |path: &FileName| ends.iter().any(|end| path.as_str().ends_with(end));
    SelectError::NoOnnx {
        has_weights: paths.iter().any(is_weights),
    }
}

#[cfg(test)]
mod tests {
    //! Repositories as they are published, and what is taken of them.

    use super::{Choice, SelectError, select};
    use crate::package::FileName;

    fn check(paths: &[&str], choice: &Choice<'_>, expected: &[&str]) {
        let paths: Vec<_> = paths
            .iter()
            .map(|it| FileName::parse(it).unwrap())
            .collect();
        let chosen = select(&paths, choice).unwrap();
        let chosen: Vec<_> = chosen.iter().map(FileName::as_str).collect();
        assert_eq!(chosen, expected);
    }

    fn refused(paths: &[&str], choice: &Choice<'_>) -> SelectError {
        let paths: Vec<_> = paths
            .iter()
            .map(|it| FileName::parse(it).unwrap())
            .collect();
        select(&paths, choice).unwrap_err()
    }

    const SENTENCES: [&str; 9] = [
        "1_Pooling/config.json",
        "README.md",
        "model.safetensors",
        "modules.json",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "onnx/model_fp16.onnx",
        "onnx/model_quantized.onnx",
        "tokenizer.json",
    ];

    #[test]
    fn the_quantized_graph_is_taken_unless_another_is_asked_for() {
        let rest = ["1_Pooling/config.json", "modules.json"];
        let with = |graphs: &[&'static str]| [&rest, graphs, &["tokenizer.json"]].concat();
        let usual = Choice::default();
        check(&SENTENCES, &usual, &with(&["onnx/model_quantized.onnx"]));
        let full = Choice {
            variant: Some("fp32"),
            ..Choice::default()
        };
        let graph = ["onnx/model.onnx", "onnx/model.onnx_data"];
        check(&SENTENCES, &full, &with(&graph));
    }

    #[test]
    fn a_folder_for_onnx_runtime_genai_is_taken_with_its_data() {
        let paths = [
            "LICENSE",
            "cpu/genai_config.json",
            "cpu/model.onnx",
            "cpu/model.onnx.data",
            "cpu/tokenizer.json",
            "gpu/genai_config.json",
            "gpu/model.onnx",
        ];
        let folder = FileName::parse("cpu").unwrap();
        let choice = Choice {
            folder: Some(&folder),
            ..Choice::default()
        };
        check(&paths, &choice, &paths[1..5]);
        let folders = vec!["cpu".to_owned(), "gpu".to_owned()];
        assert_eq!(
            refused(&paths, &Choice::default()),
            SelectError::InFolders { folders }
        );
    }

    #[test]
    fn a_repository_without_onnx_says_how_to_make_some() {
        let paths = ["config.json", "model.safetensors"];
        let error = refused(&paths, &Choice::default());
        assert_eq!(error, SelectError::NoOnnx { has_weights: true });
        assert!(error.to_string().contains("optimum-cli export onnx"));
    }

    #[test]
    fn a_variant_that_is_not_there_is_refused_with_those_that_are() {
        let choice = Choice {
            variant: Some("int4"),
            ..Choice::default()
        };
        let known = ["fp32", "fp16", "int8"].map(String::from).to_vec();
        let wanted = "int4".to_owned();
        assert_eq!(
            refused(&SENTENCES, &choice),
            SelectError::NoVariant { wanted, known }
        );
    }
}
