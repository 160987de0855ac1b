//! Over gRPC, with a real client and a real socket.

use std::time::Duration;

use bytes::Bytes;
use tideline_proto::inference as proto;
use tideline_proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use tideline_proto::inference::model_infer_request::InferInputTensor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::limits::Limits;
use crate::oip::grpc;
use crate::serve::serve;
use crate::testing::{self, front, front_with};

async fn client_with(limits: Limits) -> GrpcInferenceServiceClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Routes::new(grpc(front_with(limits))).into_axum_router();
    tokio::spawn(serve(listener, app, limits, CancellationToken::new()));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    GrpcInferenceServiceClient::new(endpoint.connect().await.unwrap())
}

async fn client() -> GrpcInferenceServiceClient<Channel> {
    client_with(Limits::default()).await
}

fn input(datatype: &str, shape: &[i64]) -> InferInputTensor {
    InferInputTensor {
        name: "x".to_owned(),
        datatype: datatype.to_owned(),
        shape: shape.to_vec(),
        ..InferInputTensor::default()
    }
}

fn raw(datatype: &str, shape: &[i64], data: &'static [u8]) -> proto::ModelInferRequest {
    proto::ModelInferRequest {
        model_name: "identity".to_owned(),
        id: "mine".to_owned(),
        inputs: vec![input(datatype, shape)],
        raw_input_contents: vec![Bytes::from_static(data)],
        ..proto::ModelInferRequest::default()
    }
}

async fn refusal(call: proto::ModelInferRequest) -> Status {
    match client().await.model_infer(call).await {
        Ok(_) => panic!("it was answered"),
        Err(status) => status,
    }
}

#[tokio::test]
async fn health_and_metadata_are_told() {
    let mut client = client().await;
    let live = client
        .server_live(proto::ServerLiveRequest {})
        .await
        .unwrap();
    assert!(live.into_inner().live);
    let ready = client
        .server_ready(proto::ServerReadyRequest {})
        .await
        .unwrap();
    assert!(ready.into_inner().ready);
    let server = client
        .server_metadata(proto::ServerMetadataRequest {})
        .await
        .unwrap();
    assert_eq!(server.into_inner().name, "tideline-test");
    let name = "identity".to_owned();
    let version = "1".to_owned();
    let call = proto::ModelMetadataRequest { name, version };
    let model = client.model_metadata(call).await.unwrap().into_inner();
    assert_eq!(model.versions, ["1", "2"]);
    assert_eq!(model.inputs[0].shape, [-1, 4]);
    for (name, expected) in [("identity", true), ("loading", false), ("other", false)] {
        let call = proto::ModelReadyRequest {
            name: name.to_owned(),
            version: String::new(),
        };
        let ready = client.model_ready(call).await.unwrap().into_inner().ready;
        assert_eq!(ready, expected, "{name}");
    }
}

#[tokio::test]
async fn raw_contents_come_back_raw_with_the_placement_in_the_metadata() {
    let call = raw("FP16", &[2], &[0x00, 0x3c, 0x00, 0x40]);
    let response = client().await.model_infer(call).await.unwrap();
    let placement = response.metadata().get("x-tideline-placement").unwrap();
    assert_eq!(placement, "device");
    let reply = response.into_inner();
    assert_eq!(
        (reply.id.as_str(), reply.model_version.as_str()),
        ("mine", "2")
    );
    assert_eq!(reply.outputs[0].datatype, "FP16");
    assert_eq!(
        reply.raw_output_contents,
        [[0x00, 0x3c, 0x00, 0x40].as_slice()]
    );
}

#[tokio::test]
async fn typed_contents_come_back_raw() {
    let mut call = raw("INT64", &[1, 2], &[]);
    call.raw_input_contents.clear();
    call.inputs[0].contents = Some(proto::InferTensorContents {
        int64_contents: vec![1, -1],
        ..proto::InferTensorContents::default()
    });
    let reply = client().await.model_infer(call).await.unwrap().into_inner();
    let expected = [1_i64.to_le_bytes(), (-1_i64).to_le_bytes()].concat();
    assert_eq!(reply.raw_output_contents, [expected]);
}

#[tokio::test]
async fn tensors_that_do_not_add_up_are_invalid_arguments() {
    let huge = [i64::MAX, i64::MAX];
    for (call, message) in [
        (
            raw("FP32", &[2], &[0; 4]),
            "input `x`: the shape needs 8 bytes of data, got 4",
        ),
        (
            raw("FP32", &[-2], &[]),
            "input `x`: dimension -2 is negative",
        ),
        (
            raw("FP32", &huge, &[]),
            "input `x`: the shape has room for more values than can be addressed",
        ),
        (
            raw("BYTES", &[1], &[9, 0, 0, 0, 1]),
            "input `x`: the shape needs 1 values, got 0",
        ),
    ] {
        let status = refusal(call).await;
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, message)
        );
    }
    let mut two = raw("FP32", &[1], &[0; 4]);
    two.raw_input_contents.push(Bytes::new());
    assert_eq!(
        refusal(two).await.message(),
        "2 raw_input_contents for 1 inputs: give each one"
    );
    let mut both = raw("FP32", &[1], &[0; 4]);
    both.inputs[0].contents = Some(proto::InferTensorContents::default());
    assert_eq!(refusal(both).await.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn errors_have_standard_codes_and_details() {
    let call = |name: &str| proto::ModelInferRequest {
        model_name: name.to_owned(),
        ..proto::ModelInferRequest::default()
    };
    let status = refusal(call("missing")).await;
    assert_eq!(status.code(), Code::NotFound);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "model_not_found");
    assert_eq!(
        details.bad_request().unwrap().field_violations[0].field,
        "model"
    );
    let status = refusal(call("denied")).await;
    assert_eq!(status.code(), Code::PermissionDenied);
    let decision = status.metadata().get("x-tideline-decision-id").unwrap();
    assert_eq!(decision, "01J00000000000000000000000");
    assert_eq!(refusal(call("")).await.code(), Code::InvalidArgument);
    let mut endless = call(&"x".repeat(100_000));
    endless.model_version = "9".repeat(100_000);
    let status = refusal(endless).await;
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().len() < 200);
    let mut versioned = call("identity");
    versioned.model_version = "9".to_owned();
    assert_eq!(refusal(versioned).await.code(), Code::NotFound);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_connection_lives_on() {
    let mut client = client().await;
    let mut call = raw("FP32", &[0], &[]);
    call.model_name = "panics".to_owned();
    let status = client.model_infer(call).await;
    assert_eq!(status.err().unwrap().code(), Code::Internal);
    assert!(
        client
            .server_live(proto::ServerLiveRequest {})
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_message_over_the_bound_is_refused() {
    let limits = Limits {
        max_tensor_bytes: 1000,
        ..Limits::default()
    };
    static LARGE: [u8; 2000] = [0; 2000];
    let call = raw("INT8", &[2000], &LARGE);
    let status = client_with(limits).await.model_infer(call).await;
    let code = status.err().unwrap().code();
    assert!(
        matches!(code, Code::OutOfRange | Code::ResourceExhausted),
        "{code:?}"
    );
}

#[tokio::test]
async fn too_many_tensors_are_refused_before_they_are_read() {
    let mut call = raw("INT8", &[0], &[]);
    call.inputs = vec![call.inputs[0].clone(); 300];
    let status = refusal(call).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    let message = "more than 256 tensors, the most taken here";
    assert_eq!(status.message(), message);
}

#[tokio::test]
async fn garbage_is_an_invalid_argument_and_harms_no_one() {
    let app = Routes::new(grpc(front())).into_axum_router();
    let garbage = [[0, 0, 0, 0, 8].as_slice(), &[0xff; 8]].concat();
    let request = http::Request::post("/inference.GRPCInferenceService/ModelInfer")
        .header("content-type", "application/grpc")
        .body(axum::body::Body::from(garbage));
    let reply = testing::call(app, request.unwrap()).await;
    assert_eq!(reply.header("grpc-status"), Some("3"));
    assert_eq!(
        reply.header("grpc-message"),
        Some("the%20message%20is%20not%20a%20ModelInferRequest")
    );
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let mut client = client().await;
    let mut call = raw("FP32", &[0], &[]);
    call.model_name = "never".to_owned();
    let waited = tokio::time::timeout(Duration::from_millis(100), client.model_infer(call)).await;
    assert!(waited.is_err());
    assert!(
        client
            .server_live(proto::ServerLiveRequest {})
            .await
            .is_ok()
    );
}
