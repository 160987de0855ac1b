//! Texts to vectors: one padded batch through a session, then pooling and normalisation as the model's
//! own files say.

use ort::session::SessionInputValue;
use ort::value::TensorRef;

use crate::engine::RunError;
use crate::model::Signature;
use crate::package::{EmbeddingLayout, Pooling};
use crate::session::Session;
use crate::text::TokenizedText;

/// Which inputs a text model has, and what its output is.
#[derive(Debug, Clone)]
pub(crate) struct Embedder {
    layout: EmbeddingLayout,
    has_mask: bool,
    has_types: bool,
    output: String,
    dimensions: usize,
}

/// Why a model makes no vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model does not take texts as embedding models do: {0}")]
pub struct NotAnEmbedder(&'static str);

impl Embedder {
    /// Reads from the signature how the model is fed.
    pub(crate) fn of(
        signature: &Signature,
        layout: EmbeddingLayout,
    ) -> Result<Self, NotAnEmbedder> {
        let takes = |name: &str| signature.inputs.iter().any(|input| input.name == name);
        if !takes("input_ids") {
            return Err(NotAnEmbedder("it has no input `input_ids`"));
        }
        let known = ["input_ids", "attention_mask", "token_type_ids"];
        if signature
            .inputs
            .iter()
            .any(|input| !known.contains(&input.name.as_str()))
        {
            return Err(NotAnEmbedder(
                "it has inputs beside input_ids, attention_mask and token_type_ids",
            ));
        }
        let hidden = signature
            .outputs
            .iter()
            .find(|output| output.shape.len() == 3);
        let hidden = hidden.ok_or(NotAnEmbedder(
            "it has no output of shape [batch, sequence, hidden]",
        ))?;
        let dimensions = hidden
            .shape
            .last()
            .and_then(|size| usize::try_from(*size).ok());
        Ok(Self {
            layout,
            has_mask: takes("attention_mask"),
            has_types: takes("token_type_ids"),
            output: hidden.name.clone(),
            dimensions: dimensions
                .filter(|size| *size > 0)
                .ok_or(NotAnEmbedder("the size of its vectors is not fixed"))?,
        })
    }

    /// Length of the vectors.
    pub(crate) const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The vectors of `texts`, in one run, padded to the longest.
    pub(crate) fn run(
        &self,
        session: &mut Session,
        texts: &[&TokenizedText],
    ) -> Result<Vec<Vec<f32>>, RunError> {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let shape = [texts.len(), longest];
        let mut ids = vec![0_i64; texts.len() * longest];
        let mut mask = vec![0_i64; ids.len()];
        let rows = ids
            .chunks_exact_mut(longest)
            .zip(mask.chunks_exact_mut(longest));
        for ((ids, mask), text) in rows.zip(texts) {
            for ((id, present), token) in ids.iter_mut().zip(mask).zip(&text.0) {
                *id = i64::from(*token);
                *present = 1;
            }
        }
        let types = if self.has_types {
            vec![0_i64; ids.len()]
        } else {
            Vec::new()
        };

        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(3);
        inputs.push((
            "input_ids",
            TensorRef::from_array_view((shape, ids.as_slice()))?.into(),
        ));
        if self.has_mask {
            inputs.push((
                "attention_mask",
                TensorRef::from_array_view((shape, mask.as_slice()))?.into(),
            ));
        }
        if self.has_types {
            inputs.push((
                "token_type_ids",
                TensorRef::from_array_view((shape, types.as_slice()))?.into(),
            ));
        }
        let vectors = session.run(inputs, |outputs| {
            let Some(hidden) = outputs.get(&self.output) else {
                return Ok(Vec::new());
            };
            let (_, hidden) = hidden.try_extract_tensor::<f32>()?;
            let rows = hidden.chunks_exact((longest * self.dimensions).max(1));
            Ok(rows
                .zip(texts)
                .map(|(row, text)| self.pool(row, text.len()))
                .collect::<Vec<_>>())
        })?;
        if vectors.len() == texts.len() {
            Ok(vectors)
        } else {
            Err(RunError::Output)
        }
    }

    /// One text's vector from its hidden states, of which the first `tokens` count.
    fn pool(&self, hidden: &[f32], tokens: usize) -> Vec<f32> {
        let mut states = hidden.chunks_exact(self.dimensions);
        let mut vector = vec![0.0_f32; self.dimensions];
        match self.layout.pooling {
            Pooling::FirstToken => {
                if let Some(first) = states.next() {
                    vector.copy_from_slice(first);
                }
            }
            Pooling::Mean => {
                for state in states.take(tokens) {
                    for (sum, value) in vector.iter_mut().zip(state) {
                        *sum += value;
                    }
                }
                let share = 1.0 / tokens.max(1) as f32;
                vector.iter_mut().for_each(|sum| *sum *= share);
            }
        }
        if self.layout.normalise {
            let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            let scale = 1.0 / length.max(1e-12);
            vector.iter_mut().for_each(|value| *value *= scale);
        }
        vector
    }
}

/// The cosine of the angle between two vectors; 0 when either has no direction.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum::<f64>()
    };
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if a.len() == b.len() && length > 0.0 {
        dot(a, b) / length
    } else {
        0.0
    }
}
