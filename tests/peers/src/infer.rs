//! A caller of the Open Inference Protocol over gRPC: one connection, one request made beforehand.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tideline_proto::inference::ModelInferRequest;
use tideline_proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use tideline_proto::inference::model_infer_request::InferInputTensor;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::load::Call;

/// One connection, and the request that it makes again and again.
pub(crate) struct Caller {
    client: GrpcInferenceServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
    request: ModelInferRequest,
}

impl Caller {
    /// A caller on a connection that others may share.
    pub(crate) fn new(
        channel: Channel,
        bearer: Option<&str>,
        request: ModelInferRequest,
    ) -> Result<Self> {
        let client = GrpcInferenceServiceClient::new(channel);
        let authorization = bearer.map(str::parse).transpose()?;
        Ok(Self {
            client,
            authorization,
            request,
        })
    }
}

/// Opens this many connections.
///
/// # Errors
///
/// When nobody listens.
pub(crate) async fn connect(server: SocketAddr, connections: u16) -> Result<Vec<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{server}"))?.tcp_nodelay(true);
    let mut channels = Vec::new();
    for _ in 0..connections {
        channels.push(endpoint.connect().await.context("could not connect")?);
    }
    Ok(channels)
}

impl Call for Caller {
    async fn call(&mut self) -> Result<()> {
        let mut request = Request::new(self.request.clone());
        if let Some(authorization) = &self.authorization {
            request
                .metadata_mut()
                .insert("authorization", authorization.clone());
        }
        let answer = self
            .client
            .model_infer(request)
            .await
            .context("no answer")?
            .into_inner();
        let sent = self
            .request
            .raw_input_contents
            .first()
            .map_or(0, Bytes::len);
        let received = answer.raw_output_contents.first().map_or(0, Bytes::len);
        if sent != received {
            bail!("sent {sent} bytes and received {received}");
        }
        Ok(())
    }
}

/// Asks `model` for one tensor of `elements` 32-bit floats.
pub(crate) fn request(model: String, input: String, elements: u16) -> ModelInferRequest {
    let numbers: Vec<u8> = (0..elements)
        .flat_map(|n| f32::from(n).to_le_bytes())
        .collect();
    ModelInferRequest {
        model_name: model,
        inputs: vec![InferInputTensor {
            name: input,
            datatype: "FP32".to_owned(),
            shape: vec![1, i64::from(elements)],
            ..InferInputTensor::default()
        }],
        raw_input_contents: vec![Bytes::from(numbers)],
        ..ModelInferRequest::default()
    }
}
