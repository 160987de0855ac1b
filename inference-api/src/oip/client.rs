//! The other side of the protocol: what is asked of a server, and what its answer holds.

use std::sync::Arc;

use tideline_proto::inference::model_infer_request::{
    InferInputTensor, InferRequestedOutputTensor,
};
use tideline_proto::inference::{ModelInferRequest, ModelInferResponse, ModelMetadataResponse};

use super::contents;
use crate::catalog::{ModelCard, TensorSpec};
use crate::request::{InferTask, ModelName, TaskKind};
use crate::tensor::{DataType, Tensor};

/// A task as `model` at a server is asked for it. Contents travel raw and are not copied.
#[must_use]
pub fn request(task: InferTask, model: &str) -> ModelInferRequest {
    let mut raw = Vec::with_capacity(task.inputs.len());
    let input = |tensor: Tensor| {
        let (name, datatype, shape, data) = tensor.into_parts();
        raw.push(data);
        InferInputTensor {
            name,
            datatype: datatype.name().to_owned(),
            shape,
            ..InferInputTensor::default()
        }
    };
    let inputs = task.inputs.into_iter().map(input).collect();
    let output = |name| InferRequestedOutputTensor {
        name,
        ..InferRequestedOutputTensor::default()
    };
    ModelInferRequest {
        model_name: model.to_owned(),
        inputs,
        outputs: task.outputs.into_iter().map(output).collect(),
        raw_input_contents: raw,
        ..ModelInferRequest::default()
    }
}

/// The tensors of an answer, raw or typed; `None` when they are not what they say they are.
#[must_use]
pub fn outputs(response: ModelInferResponse) -> Option<Vec<Tensor>> {
    let ModelInferResponse {
        outputs,
        raw_output_contents,
        ..
    } = response;
    let is_raw = !raw_output_contents.is_empty();
    if is_raw && raw_output_contents.len() != outputs.len() {
        return None;
    }
    let mut raw = raw_output_contents.into_iter();
    let tensor = |output: tideline_proto::inference::model_infer_response::InferOutputTensor| {
        let datatype = DataType::parse(&output.datatype)?;
        let data = match (raw.next(), output.contents) {
            (Some(raw), None) => raw,
            (None, Some(typed)) => contents::to_bytes(datatype, typed).ok()?,
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Tensor::new(output.name, datatype, output.shape, data).ok()
    };
    outputs.into_iter().map(tensor).collect()
}

/// What a server tells of a model, as a card; `None` when a name or a tensor is none.
#[must_use]
pub fn card(metadata: ModelMetadataResponse, name: &ModelName) -> Option<Arc<ModelCard>> {
    let spec = |tensor: tideline_proto::inference::model_metadata_response::TensorMetadata| {
        Some(TensorSpec {
            datatype: DataType::parse(&tensor.datatype)?,
            name: tensor.name,
            shape: tensor.shape,
        })
    };
    Some(Arc::new(ModelCard {
        versions: metadata.versions,
        platform: metadata.platform,
        inputs: metadata
            .inputs
            .into_iter()
            .map(spec)
            .collect::<Option<_>>()?,
        outputs: metadata
            .outputs
            .into_iter()
            .map(spec)
            .collect::<Option<_>>()?,
        ..ModelCard::new(name.clone(), TaskKind::Infer)
    }))
}
