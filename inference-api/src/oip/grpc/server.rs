//! The generated server, with a codec of ours for the one call that carries
//! tensors.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Request;
use tideline_proto::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use tideline_proto::inference::{ModelInferRequest, ModelInferResponse};
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Response, Status};
use tower::Service;

use super::GrpcFront;
use super::codec::InferCodec;
use crate::front::Front;
use crate::refusal::status;

const MODEL_INFER: &str = "/inference.GRPCInferenceService/ModelInfer";

/// `inference.GRPCInferenceService` over a [`Front`].
#[derive(Clone, Debug)]
pub struct GrpcServer {
    front: Front,
    others: GrpcInferenceServiceServer<GrpcFront>,
}

impl GrpcServer {
    pub(in crate::oip) fn new(front: Front) -> Self {
        let most = front.limits.max_body_bytes;
        let others = GrpcInferenceServiceServer::new(GrpcFront(front.clone()));
        Self {
            front,
            others: others.max_decoding_message_size(most),
        }
    }
}

impl NamedService for GrpcServer {
    const NAME: &'static str = <GrpcInferenceServiceServer<GrpcFront> as NamedService>::NAME;
}

impl Service<Request<Body>> for GrpcServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != MODEL_INFER {
            return self.others.call(request);
        }
        let front = self.front.clone();
        Box::pin(async move {
            let most = front.limits.max_tensor_bytes;
            let codec = InferCodec {
                max_tensors: front.limits.max_tensors,
            };
            let mut call = Grpc::new(codec)
                .max_decoding_message_size(most)
                .max_encoding_message_size(most);
            Ok(call.unary(Infer(GrpcFront(front)), request).await)
        })
    }
}

/// The call itself.
struct Infer(GrpcFront);

impl UnaryService<ModelInferRequest> for Infer {
    type Response = ModelInferResponse;
    type Future = BoxFuture<'static, Result<Response<ModelInferResponse>, Status>>;

    fn call(&mut self, request: tonic::Request<ModelInferRequest>) -> Self::Future {
        let front = self.0.clone();
        Box::pin(async move {
            let result = front.infer(request).await;
            result.map_err(|error| status(&error))
        })
    }
}
