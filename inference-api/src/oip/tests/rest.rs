//! Over REST, with JSON tensors and binary ones.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::limits::Limits;
use crate::oip::rest;
use crate::testing::{Reply, call, front, front_with, get, post};

const INFER: &str = "/v2/models/identity/infer";

fn fp32(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

async fn infer(body: Value) -> Reply {
    call(rest(front()), post(INFER, body.to_string())).await
}

/// A call with binary tensors after its JSON.
fn binary(json: &Value, tensors: &[u8]) -> Request<Body> {
    let json = json.to_string();
    let length = json.len();
    let mut request = post(INFER, [json.as_bytes(), tensors].concat());
    let header = "inference-header-content-length";
    request.headers_mut().insert(header, length.into());
    request
}

async fn check_refused(body: Value, message: &str) {
    let reply = infer(body).await;
    assert_eq!(reply.json(), json!({ "error": message }));
    assert_eq!(reply.status, 400);
}

fn one(datatype: &str, shape: Value, data: Value) -> Value {
    let input = json!({ "name": "x", "datatype": datatype, "shape": shape, "data": data });
    json!({ "inputs": [input] })
}

#[tokio::test]
async fn health_and_metadata_are_told() {
    let check = async |path: &str, expected: Value| {
        let reply = call(rest(front()), get(path)).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()),
            (200, expected),
            "{path}"
        );
    };
    check("/v2/health/live", json!({ "live": true })).await;
    check("/v2/health/ready", json!({ "ready": true })).await;
    check(
        "/v2",
        json!({ "name": "tideline-test", "version": "1.2.3", "extensions": ["binary_tensor_data"] }),
    )
    .await;
    let tensor = json!({ "name": "x", "datatype": "FP32", "shape": [-1, 4] });
    let model = json!({
        "name": "identity", "versions": ["1", "2"], "platform": "onnxruntime_onnx",
        "inputs": [tensor], "outputs": [tensor],
    });
    check("/v2/models/identity", model.clone()).await;
    check("/v2/models/identity/versions/2", model).await;
    let ready = json!({ "name": "identity", "ready": true });
    check("/v2/models/identity/versions/1/ready", ready).await;
}

#[tokio::test]
async fn models_that_are_not_ready_or_not_there_say_so() {
    let check = async |path: &str, status: u16, message: Value| {
        let reply = call(rest(front()), get(path)).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()),
            (status, message),
            "{path}"
        );
    };
    let loading = json!({ "name": "loading", "ready": false });
    check("/v2/models/loading/ready", 503, loading).await;
    let missing = json!({ "error": "the model `other` does not exist" });
    check("/v2/models/other", 404, missing.clone()).await;
    check("/v2/models/other/ready", 404, missing).await;
    let version = json!({ "error": "the model `minilm` has no version `9`; it has: 1, 2" });
    check("/v2/models/minilm/versions/9", 404, version).await;
    let nothing = json!({ "error": "there is nothing at GET /v2/nothing" });
    check("/v2/nothing", 404, nothing).await;
}

#[tokio::test]
async fn json_tensors_come_back_as_json() {
    let mut body = one("FP32", json!([1, 2]), json!([[1.5, -2]]));
    body["id"] = json!("mine");
    let reply = infer(body).await;
    let output = json!({ "name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.5, -2.0] });
    let expected = json!({
        "model_name": "identity", "model_version": "2", "id": "mine", "outputs": [output],
    });
    assert_eq!(reply.json(), expected);
    assert_eq!(reply.header("x-tideline-placement"), Some("device"));
}

#[tokio::test]
async fn binary_tensors_come_back_as_binary() {
    let parameters = json!({ "binary_data_size": 8 });
    let body = json!({
        "parameters": { "binary_data_output": true },
        "inputs": [
            { "name": "x", "datatype": "FP32", "shape": [2], "parameters": parameters },
            { "name": "y", "datatype": "FP16", "shape": [1], "parameters": { "binary_data_size": 2 } },
        ],
    });
    let tensors = [fp32(&[1.0, 2.0]), vec![0x00, 0x3c]].concat();
    let reply = call(rest(front()), binary(&body, &tensors)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        Some("application/octet-stream")
    );
    let length = reply.header("inference-header-content-length").unwrap();
    let (json, rest) = reply.body.split_at(length.parse().unwrap());
    assert_eq!(rest, tensors);
    let json: Value = serde_json::from_slice(json).unwrap();
    assert_eq!(json["outputs"][0]["parameters"]["binary_data_size"], 8);
    assert_eq!(json["outputs"][1]["parameters"]["binary_data_size"], 2);
}

#[tokio::test]
async fn each_output_is_written_as_it_was_asked_for() {
    let input = |name| json!({ "name": name, "datatype": "INT8", "shape": [1], "data": [7] });
    let body = json!({
        "inputs": [input("a"), input("b"), input("c")],
        "outputs": [{ "name": "a" }, { "name": "c", "parameters": { "binary_data": true } }],
    });
    let reply = infer(body).await;
    let length = reply.header("inference-header-content-length").unwrap();
    let (json, rest) = reply.body.split_at(length.parse().unwrap());
    let json: Value = serde_json::from_slice(json).unwrap();
    assert_eq!(json["outputs"][0]["data"], json!([7]));
    assert_eq!(json["outputs"][1]["name"], "c");
    assert_eq!(rest, [7]);
}

#[tokio::test]
async fn strings_travel_both_ways() {
    let reply = infer(one("BYTES", json!([2]), json!(["grüße", ""]))).await;
    assert_eq!(reply.json()["outputs"][0]["data"], json!(["grüße", ""]));
}

#[tokio::test]
async fn shapes_and_bytes_that_disagree_are_refused() {
    let needs = "input `x`: the shape needs 12 bytes of data, got 8";
    check_refused(one("FP32", json!([3]), json!([1, 2])), needs).await;
    let more = "input `x`: data has more values than the shape";
    check_refused(one("FP32", json!([1]), json!([1, 2])), more).await;
    let huge = "input `x`: the shape has room for more values than can be addressed";
    let shape = json!([i64::MAX, i64::MAX]);
    check_refused(one("FP32", shape, json!([1])), huge).await;
    check_refused(
        one("FP32", json!([-1]), json!([1])),
        "input `x`: dimension -1 is negative",
    )
    .await;
    let both = json!({ "inputs": [{
        "name": "x", "datatype": "FP32", "shape": [1], "data": [1],
        "parameters": { "binary_data_size": 4 },
    }] });
    check_refused(both, "input `x`: has data and binary_data_size, not one").await;
    let none = json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1] }] });
    check_refused(none, "input `x`: has neither data nor binary_data_size").await;
}

#[tokio::test]
async fn binary_sizes_that_lie_are_refused() {
    let body = |size: Value| {
        json!({ "inputs": [{
            "name": "x", "datatype": "FP32", "shape": [2],
            "parameters": { "binary_data_size": size },
        }] })
    };
    let within = "input `x`: binary_data_size must be within the 8 bytes left";
    for (size, message) in [
        (json!(9), within),
        (json!(u64::MAX), within),
        (json!(-1), within),
        (
            json!(4),
            "input `x`: the shape needs 8 bytes of data, got 4",
        ),
    ] {
        let reply = call(rest(front()), binary(&body(size), &[0; 8])).await;
        assert_eq!(reply.json(), json!({ "error": message }));
    }
    let reply = call(rest(front()), binary(&body(json!(8)), &[0; 9])).await;
    let message = "1 bytes follow the JSON that no input describes";
    assert_eq!(reply.json(), json!({ "error": message }));
    let mut request = post(INFER, "{}");
    let beyond = "3".parse().unwrap();
    request
        .headers_mut()
        .insert("inference-header-content-length", beyond);
    assert_eq!(call(rest(front()), request).await.status, 400);
}

#[tokio::test]
async fn json_of_another_form_is_told_by_its_path_and_never_quoted() {
    let near = "the infer request is not as the protocol has it near";
    let reply = infer(json!({ "inputs": [{ "name": { "secret": 1 } }] })).await;
    let message = reply.json()["error"].to_string();
    assert!(
        message.contains(&format!("{near} `inputs[0].name`")),
        "{message}"
    );
    let reply = infer(one("FP32", json!(["secret"]), json!([1]))).await;
    let message = reply.json()["error"].to_string();
    assert!(
        message.contains(&format!("{near} `inputs[0].shape[0]`")),
        "{message}"
    );
    assert!(!message.contains("secret"));
    let reply = call(rest(front()), post(INFER, "{\"inputs\":[")).await;
    let message = "the body is not valid JSON: EOF while parsing a list at line 1 column 11";
    assert_eq!(reply.json(), json!({ "error": message }));
}

#[tokio::test]
async fn what_is_not_done_here_is_refused_by_name() {
    let mut body = one("FP32", json!([1]), json!([1]));
    body["parameters"] = json!({ "sequence_id": 7 });
    let message = "the parameter 'sequence_id' asks for sequences: not supported";
    check_refused(body, message).await;
    check_refused(
        one("FLOAT", json!([1]), json!([1])),
        "input `x`: has an unknown datatype, known are BOOL, UINT8, UINT16, UINT32, UINT64, INT8, \
         INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES",
    )
    .await;
}

#[tokio::test]
async fn the_service_s_errors_have_the_protocol_s_form() {
    let body = one("FP32", json!([1]), json!([1])).to_string();
    let reply = call(rest(front()), post("/v2/models/denied/infer", body)).await;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.json(), json!({ "error": "the policy keeps it here" }));
}

#[tokio::test]
async fn bodies_and_counts_are_bounded() {
    let limits = Limits {
        max_body_bytes: 200,
        max_tensor_bytes: 400,
        max_tensors: 1,
        ..Limits::default()
    };
    let reply = call(rest(front_with(limits)), post(INFER, "x".repeat(201))).await;
    assert_eq!(reply.status, 413);
    let reply = call(rest(front_with(limits)), binary(&json!({}), &[0; 400])).await;
    assert_eq!(reply.status, 413);
    let json = json!("x".repeat(250));
    let reply = call(rest(front_with(limits)), binary(&json, &[])).await;
    assert_eq!(reply.status, 413);
    let input = json!({ "name": "x", "datatype": "INT8", "shape": [1], "data": [7] });
    let body = json!({ "inputs": [input, input] }).to_string();
    let reply = call(rest(front_with(limits)), post(INFER, body)).await;
    assert_eq!(
        reply.json(),
        json!({ "error": "2 inputs, at most 1 are taken" })
    );
}
