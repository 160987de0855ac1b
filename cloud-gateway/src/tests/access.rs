//! Who may call: each service asks for its own token, and secrets stay secret.

use std::os::unix::fs::PermissionsExt as _;

use tideline_proto::inference::ServerLiveRequest;
use tideline_proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use tideline_proto::tideline::admin::v1::ListDevicesRequest;
use tideline_proto::tideline::admin::v1::admin_service_client::AdminServiceClient;
use tideline_proto::tideline::fleet::v1::fleet_service_client::FleetServiceClient;
use tideline_proto::tideline::inference::v1::ExecuteRequest;
use tideline_proto::tideline::inference::v1::inference_service_client::InferenceServiceClient;
use tideline_proto::tideline::telemetry::v1::telemetry_service_client::TelemetryServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use super::running::{Bearer, Running, read};
use crate::access::Secret;
use crate::config::SiteBoundary;

#[tokio::test]
async fn every_service_refuses_no_token_a_wrong_one_and_the_other_one() {
    let running = Running::start().await;
    let wrong = || Bearer::of(&"0".repeat(64));
    for shown in [Bearer::none(), wrong(), running.operator()] {
        let caller = || running.caller(shown.clone());
        let attach = FleetServiceClient::new(caller())
            .attach(tokio_stream::empty())
            .await;
        assert_eq!(attach.unwrap_err().code(), Code::Unauthenticated);
        let report = TelemetryServiceClient::new(caller())
            .report_outcomes(tokio_stream::empty())
            .await;
        assert_eq!(report.unwrap_err().code(), Code::Unauthenticated);
        let execute = InferenceServiceClient::new(caller())
            .execute(ExecuteRequest::default())
            .await;
        assert_eq!(execute.err().unwrap().code(), Code::Unauthenticated);
    }
    for shown in [Bearer::none(), wrong(), running.agent()] {
        let caller = || running.caller(shown.clone());
        let list = AdminServiceClient::new(caller())
            .list_devices(ListDevicesRequest::default())
            .await;
        let refused = list.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(
            refused.message().contains("authorization: Bearer"),
            "it says what is expected: {}",
            refused.message()
        );
        let live = GrpcInferenceServiceClient::new(caller())
            .server_live(ServerLiveRequest {})
            .await;
        assert_eq!(live.err().unwrap().code(), Code::Unauthenticated);
    }
    running.still_serves().await;
}

#[tokio::test]
async fn the_http_side_asks_for_the_operators_token_but_for_health() {
    let running = Running::start().await;
    let (agents, operators) = (
        read(&running.addresses.fleet_token),
        read(&running.addresses.admin_token),
    );
    let check = async |path: &str, token: &str, expected: u16| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(running.addresses.http).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{path}: {answer}"
        );
        answer
    };
    for path in ["/healthz", "/readyz"] {
        check(path, "", 200).await;
    }
    for path in ["/metrics", "/v1/models", "/v2"] {
        check(path, "", 401).await;
        check(path, &agents, 401).await;
        check(path, &operators, 200).await;
    }
    let metrics = check("/metrics", &operators, 200).await;
    assert!(!metrics.contains(&operators) && !metrics.contains(&agents));
}

#[tokio::test]
async fn secrets_are_their_owner_s_alone_outlive_the_process_and_are_never_shown() {
    let running = Running::start().await;
    let files = [
        running.addresses.fleet_token.clone(),
        running.addresses.admin_token.clone(),
    ];
    for file in &files {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let before = files.clone().map(|file| read(&file));
    assert_ne!(before[0], before[1]);
    let (secret, _) = Secret::load(files[0].parent().unwrap(), "fleet.token").unwrap();
    assert!(!format!("{secret:?}").contains(&before[0][..8]));

    let folder = running.stop().await;
    let again = Running::start_in(folder, SiteBoundary::Cloud).await;
    assert_eq!(
        before,
        [
            read(&again.addresses.fleet_token),
            read(&again.addresses.admin_token)
        ]
    );
}
