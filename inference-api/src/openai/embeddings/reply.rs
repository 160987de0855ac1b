//! The body that answers an embeddings call.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::request::ModelName;
use crate::stream::Usage;

/// How vectors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As JSON numbers.
    Float,
    /// As base64 of little-endian 32-bit floats; OpenAI's Python client asks
    /// for it unless told otherwise.
    Base64,
}

impl Encoding {
    /// Room for one number, generously.
    fn bytes_per_value(self) -> usize {
        match self {
            Self::Float => 14,
            Self::Base64 => 6,
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Embedding<'a>>,
    model: &'a str,
    usage: Tokens,
}

#[derive(Serialize)]
struct Embedding<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Numbers(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct Tokens {
    prompt_tokens: u32,
    total_tokens: u32,
}

/// Writes the body in one buffer.
pub(super) fn write(
    vectors: &[Vec<f32>],
    encoding: Encoding,
    model: &ModelName,
    usage: Usage,
) -> serde_json::Result<Vec<u8>> {
    let data = vectors.iter().enumerate().map(|(index, vector)| Embedding {
        object: "embedding",
        index,
        embedding: match encoding {
            Encoding::Float => Vector::Numbers(vector),
            Encoding::Base64 => Vector::Base64(base64(vector)),
        },
    });
    let list = List {
        object: "list",
        data: data.collect(),
        model: model.as_str(),
        usage: Tokens {
            prompt_tokens: usage.prompt_tokens,
            total_tokens: usage.prompt_tokens,
        },
    };
    let values: usize = vectors.iter().map(Vec::len).sum();
    let room = 256 + vectors.len() * 64 + values * encoding.bytes_per_value();
    let mut body = Vec::with_capacity(room);
    serde_json::to_writer(&mut body, &list)?;
    Ok(body)
}

fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    STANDARD.encode(bytes)
}
