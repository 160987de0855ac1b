//! The JSON of an infer call, and the tensors that it and the bytes after it
//! describe.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::values;
use crate::error::{InferenceError, shown};
use crate::front::Front;
use crate::json;
use crate::oip::{about, check_count, datatype, parameters, tensor};
use crate::tensor::Tensor;

/// What a call asks for.
pub(super) struct Call {
    pub(super) id: Option<String>,
    pub(super) inputs: Vec<Tensor>,
    pub(super) encodings: Encodings,
}

/// Which outputs are wanted, and how they are to be written.
pub(super) struct Encodings {
    /// For outputs that are not named.
    all_binary: bool,
    /// By name; empty is all of them.
    outputs: Vec<(String, bool)>,
}

impl Encodings {
    pub(super) fn names(&self) -> Vec<String> {
        self.outputs.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn is_binary(&self, output: &str) -> bool {
        let named = self.outputs.iter().find(|(name, _)| name == output);
        named.map_or(self.all_binary, |(_, is_binary)| *is_binary)
    }
}

type Parameters = BTreeMap<String, Value>;

#[derive(Deserialize)]
struct Form<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(default)]
    outputs: Vec<WantedOutput>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    #[serde(default)]
    parameters: Parameters,
    /// Read once the type is known, which may be written after it.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WantedOutput {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

/// Reads a call whose binary tensors are `binary`, which is not copied.
pub(super) fn parse(front: &Front, json: &[u8], mut binary: Bytes) -> Result<Call, InferenceError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let form: Form<'_> =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| explain(&error))?;
    reader.end().map_err(|error| json::malformed(&error))?;
    check_count(front, "inputs", form.inputs.len())?;
    check_count(front, "outputs", form.outputs.len())?;
    parameters::check(form.parameters.keys())?;
    let inputs = form.inputs.into_iter();
    let inputs: Result<_, _> = inputs.map(|input| read(input, &mut binary)).collect();
    let inputs = inputs?;
    if !binary.is_empty() {
        let left = binary.len();
        let message = format!("{left} bytes follow the JSON that no input describes");
        return Err(InferenceError::invalid(message).with_param("inputs"));
    }
    let all_binary = flag(&form.parameters, "binary_data_output")?.unwrap_or(false);
    let outputs = form.outputs.into_iter().map(|output| {
        parameters::check(output.parameters.keys())?;
        let is_binary = flag(&output.parameters, "binary_data")?.unwrap_or(all_binary);
        Ok((output.name, is_binary))
    });
    let outputs = outputs.collect::<Result<_, InferenceError>>()?;
    let encodings = Encodings {
        all_binary,
        outputs,
    };
    Ok(Call {
        id: form.id,
        inputs,
        encodings,
    })
}

fn read(input: Input<'_>, binary: &mut Bytes) -> Result<Tensor, InferenceError> {
    parameters::check(input.parameters.keys())?;
    let datatype = datatype(&input.name, &input.datatype)?;
    let data = match (input.data, input.parameters.get("binary_data_size")) {
        (Some(data), None) => values::read(data, datatype, &input.shape)
            .map_err(|problem| about(&input.name, &problem))?,
        (None, Some(size)) => {
            let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
            let size = size.filter(|&size| size <= binary.len()).ok_or_else(|| {
                let left = binary.len();
                let problem = format!("binary_data_size must be within the {left} bytes left");
                about(&input.name, &problem)
            })?;
            binary.split_to(size)
        }
        (Some(_), Some(_)) => {
            return Err(about(&input.name, "has data and binary_data_size, not one"));
        }
        (None, None) => return Err(about(&input.name, "has neither data nor binary_data_size")),
    };
    tensor(input.name, datatype, input.shape, data)
}

fn flag(parameters: &Parameters, name: &'static str) -> Result<Option<bool>, InferenceError> {
    match parameters.get(name) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => {
            let message = format!("the parameter '{name}' must be true or false");
            Err(InferenceError::invalid(message).with_param(name))
        }
    }
}

/// Says where the JSON is of another form than expected, and quotes none of it
/// but the names on the way there.
fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> InferenceError {
    let inner = error.inner();
    if !inner.is_data() {
        return json::malformed(inner);
    }
    let path = shown(&error.path().to_string());
    let at = json::position(inner);
    let message = format!("the infer request is not as the protocol has it near `{path}`{at}");
    InferenceError::invalid(message)
}
