//! Reads a model before ONNX Runtime does, and refuses what could harm.
//!
//! Nothing is copied out of the file but names and sizes. Subgraphs, functions, constants in
//! attributes and sparse tensors are all looked into: a rule that holds only at the top is no rule.

mod last;
mod wire;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

pub(crate) use self::last::last_alone;
use self::wire::{Field, Message};
use crate::package::Precision;

/// Why a model is not given to ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// It is not an ONNX model.
    #[error("not a readable ONNX model: {0}")]
    Malformed(&'static str),
    /// It holds tensors whose data lies where a model's data must not.
    #[error("the model keeps data at `{location}`, {why}")]
    ExternalData {
        /// As the model says.
        location: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It holds sparse tensors.
    #[error("the model has sparse tensors, which are not accepted")]
    Sparse,
    /// It calls operators that ONNX Runtime does not bring.
    #[error("the model uses operators of the domain `{0}`, and custom operators are off")]
    CustomDomain(String),
}

/// What was learned on the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Files that hold data of the model, relative to it.
    pub(crate) external: Vec<PathBuf>,
    /// Rows of the table that token ids are looked up in, where there is one.
    pub(crate) vocabulary: Option<u64>,
    /// The precision of the weights, as the operators that multiply by them say.
    pub(crate) precision: Precision,
    /// Whether it takes what it gave before, as decoders do.
    pub(crate) has_past: bool,
}

/// Deepest nesting of subgraphs.
const MAX_DEPTH: usize = 16;
/// Operator sets that ONNX Runtime brings itself.
const DOMAINS: [&str; 5] = [
    "",
    "ai.onnx",
    "ai.onnx.ml",
    "com.microsoft",
    "ai.onnx.preview",
];
/// The input of text models that token ids come in by.
const TOKEN_IDS: &str = "input_ids";

/// Checks the model in `bytes`, which lies in `folder`.
pub(crate) fn check(bytes: &[u8], folder: &Path) -> Result<Summary, GraphError> {
    if bytes.is_empty() {
        return Err(GraphError::Malformed("the file is empty"));
    }
    let mut checker = Checker {
        folder,
        summary: Summary {
            external: Vec::new(),
            vocabulary: None,
            precision: Precision::Fp32,
            has_past: false,
        },
        rows: BTreeMap::new(),
        lookups: Vec::new(),
    };
    let mut has_graph = false;
    for field in Message::new(bytes) {
        match field? {
            Field::Bytes(7, graph) => {
                has_graph = true;
                checker.graph(graph, 0)?;
            }
            Field::Bytes(25, function) => checker.function(function)?,
            Field::Bytes(..) | Field::Number(..) => {}
        }
    }
    if !has_graph {
        return Err(GraphError::Malformed("it has no graph"));
    }
    let Checker {
        rows,
        lookups,
        mut summary,
        ..
    } = checker;
    summary.vocabulary = lookups.iter().find_map(|table| rows.get(table).copied());
    summary.external.sort();
    summary.external.dedup();
    Ok(summary)
}

struct Checker<'m> {
    folder: &'m Path,
    summary: Summary,
    /// First dimension of every initialiser of rank two.
    rows: BTreeMap<&'m str, u64>,
    /// Tables that token ids are looked up in.
    lookups: Vec<&'m str>,
}

impl<'m> Checker<'m> {
    fn graph(&mut self, graph: &'m [u8], depth: usize) -> Result<(), GraphError> {
        if depth > MAX_DEPTH {
            return Err(GraphError::Malformed("subgraphs nest too deep"));
        }
        for field in Message::new(graph) {
            match field? {
                Field::Bytes(1, node) => self.node(node, depth)?,
                Field::Bytes(5, tensor) => self.tensor(tensor)?,
                Field::Bytes(11, input) => self.input(input)?,
                Field::Bytes(15, _) => return Err(GraphError::Sparse),
                Field::Bytes(..) | Field::Number(..) => {}
            }
        }
        Ok(())
    }

    fn input(&mut self, input: &'m [u8]) -> Result<(), GraphError> {
        for field in Message::new(input) {
            if let Field::Bytes(1, name) = field? {
                self.summary.has_past |= wire::text(name)?.starts_with("past_key_values.");
            }
        }
        Ok(())
    }

    fn function(&mut self, function: &'m [u8]) -> Result<(), GraphError> {
        for field in Message::new(function) {
            match field? {
                Field::Bytes(7, node) => self.node(node, 1)?,
                Field::Bytes(11, attribute) => self.attribute(attribute, 1)?,
                Field::Bytes(..) | Field::Number(..) => {}
            }
        }
        Ok(())
    }

    fn node(&mut self, node: &'m [u8], depth: usize) -> Result<(), GraphError> {
        let mut inputs = [None; 2];
        let mut read = 0;
        let mut operator = "";
        for field in Message::new(node) {
            match field? {
                Field::Bytes(1, input) => {
                    if let Some(slot) = inputs.get_mut(read) {
                        *slot = Some(wire::text(input)?);
                    }
                    read += 1;
                }
                Field::Bytes(4, name) => operator = wire::text(name)?,
                Field::Bytes(5, attribute) => self.attribute(attribute, depth)?,
                Field::Bytes(7, domain) => domain_is_known(wire::text(domain)?)?,
                Field::Bytes(..) | Field::Number(..) => {}
            }
        }
        let precision = match operator {
            "MatMulNBits" | "GatherBlockQuantized" => Precision::Int4,
            "MatMulInteger"
            | "MatMulIntegerToFloat"
            | "DynamicQuantizeMatMul"
            | "QLinearMatMul" => Precision::Int8,
            _ => Precision::Fp32,
        };
        self.summary.precision = self.summary.precision.max(precision);
        if let ("Gather", [Some(table), Some(TOKEN_IDS)]) = (operator, inputs) {
            self.lookups.push(table);
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &'m [u8], depth: usize) -> Result<(), GraphError> {
        for field in Message::new(attribute) {
            match field? {
                Field::Bytes(5 | 10, tensor) => self.tensor(tensor)?,
                Field::Bytes(6 | 11, graph) => self.graph(graph, depth + 1)?,
                Field::Bytes(22 | 23, _) => return Err(GraphError::Sparse),
                Field::Bytes(..) | Field::Number(..) => {}
            }
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &'m [u8]) -> Result<(), GraphError> {
        let mut dims = Vec::new();
        let mut name = "";
        let mut entries = Vec::new();
        let mut is_external = false;
        for field in Message::new(tensor) {
            match field? {
                Field::Number(1, dim) => dims.push(dim),
                Field::Bytes(1, packed) => wire::numbers(packed, &mut dims)?,
                Field::Bytes(8, text) => name = wire::text(text)?,
                Field::Bytes(13, entry) => entries.push(pair(entry)?),
                Field::Number(14, location) => is_external = location == 1,
                Field::Bytes(..) | Field::Number(..) => {}
            }
        }
        if let [rows, _] = dims.as_slice() {
            self.rows.insert(name, *rows);
        }
        if is_external || !entries.is_empty() {
            let file = external(self.folder, &entries)?;
            self.summary.external.push(file);
        }
        Ok(())
    }
}

fn pair(entry: &[u8]) -> Result<(&str, &str), GraphError> {
    let mut pair = ("", "");
    for field in Message::new(entry) {
        match field? {
            Field::Bytes(1, key) => pair.0 = wire::text(key)?,
            Field::Bytes(2, value) => pair.1 = wire::text(value)?,
            Field::Bytes(..) | Field::Number(..) => {}
        }
    }
    Ok(pair)
}

fn domain_is_known(domain: &str) -> Result<(), GraphError> {
    if DOMAINS.contains(&domain) {
        return Ok(());
    }
    Err(GraphError::CustomDomain(domain.chars().take(80).collect()))
}

/// The file that a tensor's data lies in: a plain file of the model's own folder that nothing else
/// shares, and long enough.
fn external(folder: &Path, entries: &[(&str, &str)]) -> Result<PathBuf, GraphError> {
    let entry = |key| {
        entries
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| *value)
    };
    let location = entry("location").unwrap_or("");
    let refuse = |why| GraphError::ExternalData {
        location: location.chars().take(80).collect(),
        why,
    };

    let relative = Path::new(location);
    let plain = |component: Component<'_>| matches!(component, Component::Normal(_));
    if location.is_empty() || location.contains('\\') || !relative.components().all(plain) {
        return Err(refuse("expected a file inside the model's folder"));
    }
    let mut path = folder.to_path_buf();
    for component in relative.components() {
        path.push(component);
        let kind = path
            .symlink_metadata()
            .map_err(|_absent| refuse("which is not there"))?;
        if kind.is_symlink() {
            return Err(refuse("which leads through a link"));
        }
    }
    let metadata = path
        .metadata()
        .map_err(|_absent| refuse("which is not there"))?;
    if !metadata.is_file() || is_shared(&metadata) {
        return Err(refuse("which is not a plain file of its own"));
    }
    let number = |key| {
        entry(key)
            .map_or(Ok(0), str::parse::<u64>)
            .map_err(|_not_a_number| refuse("with an offset or length that is no number"))
    };
    let end = number("offset")?.checked_add(number("length")?);
    if end.is_none_or(|end| end > metadata.len()) {
        return Err(refuse("which ends before the data does"));
    }
    Ok(relative.to_path_buf())
}

/// Whether the file has another name somewhere else.
#[cfg(unix)]
pub(crate) fn is_shared(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
pub(crate) fn is_shared(_metadata: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests;
