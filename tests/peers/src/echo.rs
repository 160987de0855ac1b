//! The barest server of the Open Inference Protocol: what any server on the same transport cannot
//! beat. It looks at nothing and knows no model.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tideline_proto::inference::grpc_inference_service_server::{
    GrpcInferenceService, GrpcInferenceServiceServer,
};
use tideline_proto::inference::model_infer_response::InferOutputTensor;
use tideline_proto::inference::{
    ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse,
    ModelReadyRequest, ModelReadyResponse, ServerLiveRequest, ServerLiveResponse,
    ServerMetadataRequest, ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Answers with what it was sent.
#[derive(Debug)]
struct Echo;

/// Serves until it is ended from outside.
///
/// # Errors
///
/// When it cannot listen.
pub(crate) async fn serve(listen: SocketAddr) -> Result<()> {
    let service = GrpcInferenceServiceServer::new(Echo);
    let server = Server::builder().tcp_nodelay(true).add_service(service);
    server
        .serve(listen)
        .await
        .with_context(|| format!("could not serve on {listen}"))
}

#[tonic::async_trait]
impl GrpcInferenceService for Echo {
    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let request = request.into_inner();
        let outputs = request.inputs.into_iter().map(|input| InferOutputTensor {
            name: input.name,
            datatype: input.datatype,
            shape: input.shape,
            ..InferOutputTensor::default()
        });
        Ok(Response::new(ModelInferResponse {
            model_name: request.model_name,
            outputs: outputs.collect(),
            raw_output_contents: request.raw_input_contents,
            ..ModelInferResponse::default()
        }))
    }

    async fn server_live(
        &self,
        _: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: true }))
    }

    async fn model_ready(
        &self,
        _: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        Ok(Response::new(ModelReadyResponse { ready: true }))
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        Err(Status::unimplemented(
            "an echo has nothing to say of itself",
        ))
    }

    async fn model_metadata(
        &self,
        _: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        Err(Status::unimplemented("an echo has no model"))
    }
}
