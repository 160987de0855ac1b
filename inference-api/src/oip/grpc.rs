//! `inference.GRPCInferenceService` over the one trait.

use std::collections::HashMap;

use bytes::Bytes;
use http::HeaderMap;
use tideline_proto::inference as proto;
use tideline_proto::inference::grpc_inference_service_server::GrpcInferenceService;
use tideline_proto::inference::model_infer_request::InferInputTensor;
use tideline_proto::inference::model_infer_response::InferOutputTensor;
use tideline_proto::inference::model_metadata_response::TensorMetadata;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::{
    EXTENSIONS, about, check_count, contents, find, parameters, select, tensor, tensors_of,
    version_of,
};
use crate::catalog::TensorSpec;
use crate::error::InferenceError;
use crate::front::Front;
use crate::headers;
use crate::refusal::status;
use crate::request::{InferTask, InferenceRequest, Task};
use crate::stream::Answer;
use crate::tensor::{DataType, Tensor};

mod codec;
mod server;

pub use server::GrpcServer;

/// A [`Front`] that speaks gRPC.
#[derive(Clone, Debug)]
struct GrpcFront(Front);

impl GrpcFront {
    async fn infer(
        &self,
        request: Request<proto::ModelInferRequest>,
    ) -> Result<Response<proto::ModelInferResponse>, InferenceError> {
        let Self(front) = self;
        let (metadata, _, call) = request.into_parts();
        let terms = metadata.into_headers();
        let context = headers::context(&terms, front.limits.request_timeout)?;
        let model = select(front, &call.model_name, &call.model_version)?;
        parameters::check(call.parameters.keys())?;
        let task = Task::Infer(InferTask {
            inputs: decode(front, call.inputs, call.raw_input_contents)?,
            outputs: wanted(front, call.outputs)?,
        });
        let request = InferenceRequest::new(model, task, context);
        let answer = front.answer(request).await?;
        let mut told = HeaderMap::new();
        headers::write_answer(&mut told, &answer);
        let version = version_of(front, &answer.served.model, call.model_version);
        let reply = encode(&answer, version, call.id)?;
        let told = MetadataMap::from_headers(told);
        Ok(Response::from_parts(
            told,
            reply,
            tonic::Extensions::default(),
        ))
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for GrpcFront {
    async fn server_live(
        &self,
        _: Request<proto::ServerLiveRequest>,
    ) -> Result<Response<proto::ServerLiveResponse>, Status> {
        Ok(Response::new(proto::ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<proto::ServerReadyRequest>,
    ) -> Result<Response<proto::ServerReadyResponse>, Status> {
        let ready = self.0.catalog.ready();
        Ok(Response::new(proto::ServerReadyResponse { ready }))
    }

    async fn model_ready(
        &self,
        request: Request<proto::ModelReadyRequest>,
    ) -> Result<Response<proto::ModelReadyResponse>, Status> {
        let call = request.into_inner();
        let card = find(&self.0, &call.name, &call.version);
        let ready = card.is_ok_and(|card| card.ready);
        Ok(Response::new(proto::ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        _: Request<proto::ServerMetadataRequest>,
    ) -> Result<Response<proto::ServerMetadataResponse>, Status> {
        let server = self.0.catalog.server();
        Ok(Response::new(proto::ServerMetadataResponse {
            name: server.name.to_owned(),
            version: server.version.to_owned(),
            extensions: EXTENSIONS.map(str::to_owned).to_vec(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<proto::ModelMetadataRequest>,
    ) -> Result<Response<proto::ModelMetadataResponse>, Status> {
        let call = request.into_inner();
        let card = find(&self.0, &call.name, &call.version);
        let card = card.map_err(|error| status(&error))?;
        Ok(Response::new(proto::ModelMetadataResponse {
            name: card.name.as_str().to_owned(),
            versions: card.versions.clone(),
            platform: card.platform.clone(),
            inputs: card.inputs.iter().map(describe).collect(),
            outputs: card.outputs.iter().map(describe).collect(),
        }))
    }

    async fn model_infer(
        &self,
        request: Request<proto::ModelInferRequest>,
    ) -> Result<Response<proto::ModelInferResponse>, Status> {
        let result = self.infer(request).await;
        result.map_err(|error| status(&error))
    }
}

fn describe(spec: &TensorSpec) -> TensorMetadata {
    TensorMetadata {
        name: spec.name.clone(),
        datatype: spec.datatype.name().to_owned(),
        shape: spec.shape.clone(),
    }
}

fn decode(
    front: &Front,
    inputs: Vec<InferInputTensor>,
    raw: Vec<Bytes>,
) -> Result<Vec<Tensor>, InferenceError> {
    check_count(front, "inputs", inputs.len())?;
    if raw.is_empty() {
        return inputs.into_iter().map(typed).collect();
    }
    if raw.len() != inputs.len() {
        let (given, needed) = (raw.len(), inputs.len());
        let message = format!("{given} raw_input_contents for {needed} inputs: give each one");
        return Err(InferenceError::invalid(message).with_param("raw_input_contents"));
    }
    let pairs = inputs.into_iter().zip(raw);
    pairs.map(|(input, data)| raw_tensor(input, data)).collect()
}

fn raw_tensor(input: InferInputTensor, data: Bytes) -> Result<Tensor, InferenceError> {
    let datatype = check(&input.name, &input.datatype, &input.parameters)?;
    if input.contents.is_some() {
        let problem = "has contents and raw_input_contents, one of them is to be empty";
        return Err(about(&input.name, problem));
    }
    tensor(input.name, datatype, input.shape, data)
}

fn typed(input: InferInputTensor) -> Result<Tensor, InferenceError> {
    let datatype = check(&input.name, &input.datatype, &input.parameters)?;
    let contents = input.contents.unwrap_or_default();
    let data = contents::to_bytes(datatype, contents)
        .map_err(|error| about(&input.name, error.message()))?;
    tensor(input.name, datatype, input.shape, data)
}

fn check(
    name: &str,
    datatype: &str,
    given: &HashMap<String, proto::InferParameter>,
) -> Result<DataType, InferenceError> {
    parameters::check(given.keys())?;
    super::datatype(name, datatype)
}

fn wanted(
    front: &Front,
    outputs: Vec<proto::model_infer_request::InferRequestedOutputTensor>,
) -> Result<Vec<String>, InferenceError> {
    check_count(front, "outputs", outputs.len())?;
    for output in &outputs {
        parameters::check(output.parameters.keys())?;
    }
    Ok(outputs.into_iter().map(|output| output.name).collect())
}

fn encode(
    answer: &Answer,
    model_version: String,
    id: String,
) -> Result<proto::ModelInferResponse, InferenceError> {
    let tensors = tensors_of(&answer.output)?;
    let mut outputs = Vec::with_capacity(tensors.len());
    let mut raw_output_contents = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        outputs.push(InferOutputTensor {
            name: tensor.name().to_owned(),
            datatype: tensor.datatype().name().to_owned(),
            shape: tensor.shape().to_vec(),
            ..InferOutputTensor::default()
        });
        raw_output_contents.push(tensor.data().clone());
    }
    Ok(proto::ModelInferResponse {
        model_name: answer.served.model.as_str().to_owned(),
        model_version,
        id,
        outputs,
        raw_output_contents,
        ..proto::ModelInferResponse::default()
    })
}
