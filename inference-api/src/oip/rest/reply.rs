//! The body that answers an infer call: JSON, then the binary tensors.

use serde::Serialize;

use super::call::Encodings;
use super::values::JsonValues;
use crate::error::{ErrorKind, InferenceError};
use crate::request::ModelName;
use crate::tensor::Tensor;

/// A body, and where its JSON ends if binary tensors follow.
pub(super) struct Reply {
    pub(super) body: Vec<u8>,
    pub(super) json_length: Option<usize>,
}

#[derive(Serialize)]
struct Form<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: Vec<OutputForm<'a>>,
}

#[derive(Serialize)]
struct OutputForm<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [i64],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Binary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<JsonValues<'a>>,
}

#[derive(Serialize)]
struct Binary {
    binary_data_size: usize,
}

/// What an answer says about itself.
pub(super) struct Label<'a> {
    pub(super) model: &'a ModelName,
    pub(super) version: &'a str,
    /// The caller's own name for the request.
    pub(super) id: Option<&'a str>,
}

/// Writes the body in one buffer.
pub(super) fn write(
    label: Label<'_>,
    tensors: &[Tensor],
    encodings: &Encodings,
) -> Result<Reply, InferenceError> {
    let binary = || {
        tensors
            .iter()
            .filter(|tensor| encodings.is_binary(tensor.name()))
    };
    let outputs = tensors.iter().map(|tensor| {
        let is_binary = encodings.is_binary(tensor.name());
        let binary_data_size = tensor.data().len();
        OutputForm {
            name: tensor.name(),
            datatype: tensor.datatype().name(),
            shape: tensor.shape(),
            parameters: is_binary.then_some(Binary { binary_data_size }),
            data: (!is_binary).then_some(JsonValues(tensor)),
        }
    });
    let form = Form {
        model_name: label.model.as_str(),
        model_version: label.version,
        id: label.id,
        outputs: outputs.collect(),
    };
    let following: usize = binary().map(|tensor| tensor.data().len()).sum();
    let mut body = Vec::with_capacity(512 + following);
    serde_json::to_writer(&mut body, &form).map_err(|error| {
        let message = "an output holds strings that are not UTF-8: ask for binary_data";
        InferenceError::new(ErrorKind::Unsupported, message).with_log(error)
    })?;
    let json_length = binary().next().map(|_| body.len());
    for tensor in binary() {
        body.extend_from_slice(tensor.data());
    }
    Ok(Reply { body, json_length })
}
