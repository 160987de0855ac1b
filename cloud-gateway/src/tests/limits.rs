//! Every bound is set on purpose, and whoever passes one is told so and costs nobody else anything.

use std::collections::BTreeMap;
use std::time::Duration;

use http::uri::PathAndQuery;
use tideline_proto::tideline::admin::v1::{Device, GetDeviceRequest, ListDevicesRequest};
use tideline_proto::tideline::fleet::v1 as fleet;
use tideline_proto::tideline::inference::v1 as inference;
use tideline_proto::tideline::telemetry::v1 as telemetry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;

use super::running::{Attached, Running};

#[test]
fn every_limit_has_the_value_that_was_chosen() {
    let limits = crate::gateway::limits();
    assert_eq!(limits.max_connections, 8192, "two for each device");
    assert_eq!(limits.max_concurrent_streams, 256);
    assert_eq!(limits.max_pending_resets, 20);
    assert_eq!(limits.max_header_bytes, 32 << 10);
    assert_eq!(limits.max_tensor_bytes, 64 << 20);
    assert_eq!(limits.keepalive_interval, Duration::from_secs(30));
    assert_eq!(limits.keepalive_timeout, Duration::from_secs(20));
    assert_eq!(limits.request_timeout, Duration::from_secs(120));
    assert_eq!(limits.drain_grace, Duration::from_secs(10));
}

#[tokio::test]
async fn clients_are_told_the_limits_of_http_2() {
    let running = Running::start().await;
    let mut stream = TcpStream::connect(running.addresses.grpc).await.unwrap();
    let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    stream.write_all(&empty_settings).await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "a server speaks of its settings first");
    let mut settings = vec![0; usize::from(head[2])];
    stream.read_exact(&mut settings).await.unwrap();
    let settings: BTreeMap<u16, u32> = settings
        .as_chunks::<6>()
        .0
        .iter()
        .map(|&[a, b, c, d, e, f]| (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f])))
        .collect();
    assert_eq!(settings.get(&3), Some(&256), "concurrent streams");
    assert_eq!(settings.get(&6), Some(&(32 << 10)), "bytes of headers");
}

#[tokio::test]
async fn messages_that_are_too_large_are_refused_before_they_are_read() {
    let running = Running::start().await;
    let question = GetDeviceRequest {
        id: "x".repeat(65 << 10),
    };
    let mut client = running.admin();
    let asked = client.get_device(question).await;
    assert_eq!(asked.unwrap_err().code(), Code::OutOfRange);

    let hello = fleet::Hello {
        device_id: "x".repeat(5 << 20),
        ..fleet::Hello::default()
    };
    let mut agent = Attached::begin(&running, fleet::agent_message::Message::Hello(hello)).await;
    assert_eq!(agent.try_hear().await.unwrap_err().code(), Code::OutOfRange);

    let batch = telemetry::OutcomeBatch {
        device_id: "x".repeat(5 << 20),
        ..telemetry::OutcomeBatch::default()
    };
    let mut client = running.telemetry();
    let call = client.report_outcomes(tokio_stream::once(batch)).await;
    let answer = call.unwrap().into_inner().message().await;
    assert_eq!(answer.unwrap_err().code(), Code::OutOfRange);

    let request = inference::ExecuteRequest {
        model: "x".repeat(65 << 20),
        ..inference::ExecuteRequest::default()
    };
    let mut client = running.inference();
    let ran = client.execute(request).await;
    assert_eq!(ran.err().unwrap().code(), Code::OutOfRange);
    running.still_serves().await;
}

#[tokio::test]
async fn bytes_that_are_no_message_get_an_error_and_the_next_caller_an_answer() {
    let running = Running::start().await;
    // The one asks by a number where the other expects a text.
    let mut grpc = Grpc::new(running.caller(running.operator()));
    grpc.ready().await.unwrap();
    let other = ListDevicesRequest {
        page_size: 7,
        ..ListDevicesRequest::default()
    };
    let answer = grpc
        .unary(
            tonic::Request::new(other),
            PathAndQuery::from_static("/tideline.admin.v1.AdminService/GetDevice"),
            ProstCodec::<_, Device>::default(),
        )
        .await;
    assert_eq!(answer.unwrap_err().code(), Code::Internal);

    for garbage in [
        &b"\x00\x01\x02 not a protocol \r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut stream = TcpStream::connect(running.addresses.grpc).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        // It is told, or it is cut off; it is not kept.
        let _told_or_cut = stream.read_to_end(&mut rest).await;
    }
    running.still_serves().await;
}
