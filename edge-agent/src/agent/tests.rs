//! Proofs about the agent as a whole: real sockets, the real router, a gateway that can be killed.
//! No model runs here; those proofs need ONNX Runtime and stand with the end-to-end tests.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tideline_proto::inference::ServerLiveRequest;
use tideline_proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use tideline_proto::tideline::telemetry::v1::{Ending, Outcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Addresses, Agent};
use crate::config::{Config, GatewayConfig, Listen, Loopback};
use crate::tests::gateway::{FakeGateway, Serve, well};

const OPEN_POLICY: &str = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: open }\nspec:\n  default: { boundary: cloud }\n";
const SECRET: &str = "my card is 4111 1111 1111 1111";

/// An agent that serves, on state of its own.
struct Running {
    addresses: Addresses,
    token: String,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    folder: TempDir,
}

async fn start(gateway: Option<SocketAddr>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    start_on(folder, gateway).await
}

async fn start_on(folder: TempDir, gateway: Option<SocketAddr>) -> Running {
    let agent = Agent::build(config(folder.path(), gateway))
        .await
        .unwrap()
        .bind()
        .await
        .unwrap();
    let addresses = agent.addresses().clone();
    let token = std::fs::read_to_string(&addresses.token)
        .unwrap()
        .trim()
        .to_owned();
    let stop = CancellationToken::new();
    let task = tokio::spawn(agent.serve(stop.clone()));
    Running {
        addresses,
        token,
        stop,
        task,
        folder,
    }
}

fn config(folder: &Path, gateway: Option<SocketAddr>) -> Config {
    let policy = folder.join("policy.yaml");
    std::fs::write(&policy, OPEN_POLICY).unwrap();
    let any = Loopback::port(0);
    Config {
        state_dir: folder.join("state"),
        listen: Listen {
            http: any,
            grpc: any,
            socket: Some(folder.join("agent.sock")),
        },
        policy: Some(policy),
        gateway: gateway.map(|address| GatewayConfig {
            url: format!("http://{address}").parse().unwrap(),
            token_file: None,
            insecure_dev: false,
        }),
        allowed_origins: vec!["http://localhost:3000".into()],
        ..Config::default()
    }
}

/// An answer: its status, and all of it as text.
#[derive(Debug)]
struct Answer {
    status: u16,
    text: String,
}

impl Running {
    /// Sends a request with these headers, written out by hand.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let stream = TcpStream::connect(self.addresses.http).await.unwrap();
        exchange(stream, method, path, headers, body).await
    }

    async fn get(&self, path: &str, headers: &str) -> Answer {
        self.send("GET", path, &format!("host: localhost\r\n{headers}"), "")
            .await
    }

    async fn embed(&self, text: &str) -> Answer {
        let body = serde_json::json!({ "model": "minilm", "input": text }).to_string();
        let headers = format!(
            "host: localhost\r\ncontent-type: application/json\r\n{}",
            self.bearer()
        );
        self.send("POST", "/v1/embeddings", &headers, &body).await
    }

    /// Asks until the answer has that status, or does not for 20 s.
    async fn embed_until(&self, status: u16) -> Answer {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = self.embed(SECRET).await;
            if answer.status == status || Instant::now() > end {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    }

    fn bearer(&self) -> String {
        format!("authorization: Bearer {}\r\n", self.token)
    }

    async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.folder
    }
}

async fn exchange(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap();
    Answer { status, text }
}

#[tokio::test]
async fn the_local_api_serves_only_this_machines_users() {
    let agent = start(None).await;
    let bearer = agent.bearer();
    assert_eq!(agent.get("/v1/models", &bearer).await.status, 200);
    assert_eq!(agent.get("/v1/models", "").await.status, 401);
    assert_eq!(
        agent
            .get("/v1/models", "authorization: Bearer wrong\r\n")
            .await
            .status,
        401
    );
    assert_eq!(agent.get("/metrics", "").await.status, 401);
    assert_eq!(agent.get("/metrics", &bearer).await.status, 200);

    let rebound = format!("host: evil.example.com\r\n{bearer}");
    assert_eq!(
        agent.send("GET", "/v1/models", &rebound, "").await.status,
        403
    );
    let foreign = format!("origin: http://evil.example.com\r\n{bearer}");
    assert_eq!(agent.get("/v1/models", &foreign).await.status, 403);
    let known = format!("origin: http://localhost:3000\r\n{bearer}");
    assert_eq!(agent.get("/v1/models", &known).await.status, 200);
    agent.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_socket_file_is_this_users_alone_and_needs_no_token() {
    use std::os::unix::fs::PermissionsExt as _;
    let agent = start(None).await;
    let path = agent.folder.path().join("agent.sock");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let answer = exchange(stream, "GET", "/v1/models", "host: localhost\r\n", "").await;
    assert_eq!(answer.status, 200);
    agent.stop().await;
}

#[tokio::test]
async fn health_needs_no_token_and_an_agent_without_models_becomes_ready() {
    let agent = start(None).await;
    assert_eq!(agent.get("/healthz", "").await.status, 200);
    let end = Instant::now() + Duration::from_secs(20);
    while agent.get("/readyz", "").await.status != 200 {
        assert!(Instant::now() < end, "not ready within 20 s");
    }
    agent.stop().await;
}

#[tokio::test]
async fn grpc_asks_for_the_token_too_and_tells_of_health_without_it() {
    let agent = start(None).await;
    let url = format!("http://{}", agent.addresses.grpc);
    let channel = tonic::transport::Endpoint::from_shared(url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = GrpcInferenceServiceClient::new(channel.clone());
    let refused = client
        .server_live(ServerLiveRequest {})
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);

    let mut request = tonic::Request::new(ServerLiveRequest {});
    let bearer = format!("Bearer {}", agent.token).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    assert!(client.server_live(request).await.unwrap().into_inner().live);

    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    health
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await
        .unwrap();
    agent.stop().await;
}

#[tokio::test]
async fn a_second_agent_keeps_out_of_the_state_of_the_first() {
    let agent = start(None).await;
    let error = Agent::build(config(agent.folder.path(), None))
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("another agent uses "),
        "{error}"
    );
    agent.stop().await;
}

#[tokio::test]
async fn a_policy_with_an_error_stops_the_start_and_names_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), None);
    std::fs::write(
        config.policy.as_ref().unwrap(),
        OPEN_POLICY.replace("boundary", "boundry"),
    )
    .unwrap();
    let error = Agent::build(config).await.unwrap_err().to_string();
    assert!(error.contains("policy.yaml:5:"), "{error}");
}

#[tokio::test]
async fn a_token_that_was_emptied_does_not_open_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), None);
    std::fs::create_dir_all(&config.state_dir).unwrap();
    std::fs::write(config.state_dir.join("token"), "\n").unwrap();
    let error = Agent::build(config).await.unwrap_err().to_string();
    assert!(error.contains("holds no token"), "{error}");
}

#[tokio::test]
async fn offline_is_a_normal_state_and_outcomes_arrive_each_once_when_the_gateway_is_back() {
    let gateway = FakeGateway::start(well);
    let agent = start(Some(gateway.address)).await;
    let served = agent.embed_until(200).await;
    assert!(
        served.text.contains("x-tideline-placement: cloud"),
        "{}",
        served.text
    );

    let address = gateway.kill();
    let asked = Instant::now();
    let refused = agent.embed_until(503).await;
    assert!(
        refused.text.contains("no_eligible_route"),
        "{}",
        refused.text
    );
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "told at once, not after {:?}",
        asked.elapsed()
    );

    let mut gateway = FakeGateway::start_at(address, well);
    agent.embed_until(200).await;
    let folder = agent.stop().await;
    // What was stored before the gateway died is not asked for again; all else arrives once.
    let seen = gateway.sees(|seen| !seen.outcomes.is_empty()).await;
    assert_eq!(seen.repeated, 0);
    let numbers: Vec<u64> = seen.outcomes.keys().copied().collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "a gap in {numbers:?}"
    );
    drop(folder);
}

#[tokio::test]
async fn what_happened_offline_is_told_after_the_agents_own_restart() {
    let gateway = FakeGateway::start(well);
    let agent = start(Some(gateway.address)).await;
    agent.embed_until(200).await;
    let address = gateway.kill();
    agent.embed_until(503).await;
    let folder = agent.stop().await;

    let mut gateway = FakeGateway::start_at(address, well);
    let agent = start_on(folder, Some(address)).await;
    let refused = |outcome: &Outcome| outcome.ending() == Ending::Refused;
    let seen = gateway
        .sees(|seen| seen.outcomes.values().any(refused))
        .await;
    let told = seen
        .outcomes
        .values()
        .find(|outcome| refused(outcome))
        .unwrap();
    assert_eq!(told.error_class, "no_eligible_route");
    agent.stop().await;
}

/// Gathers all that is logged, at every level, by everything in the process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    #[expect(
        clippy::unwrap_in_result,
        reason = "a writer that panicked fails the test"
    )]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn content_is_logged_at_no_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For the whole process: what other tests log meanwhile must hold no content either.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let repeats: Serve = |_| {
        let status = tonic::Status::internal(format!("could not embed `{SECRET}`"));
        Box::pin(tokio_stream::once(Err(status)))
    };
    for serve in [well, repeats] {
        let gateway = FakeGateway::start(serve);
        let agent = start(Some(gateway.address)).await;
        let reached = if serve as usize == repeats as usize {
            502
        } else {
            200
        };
        agent.embed_until(reached).await;
        let torn = format!("{{\"model\": \"minilm\", \"input\": \"{SECRET}");
        let headers = format!("host: localhost\r\n{}", agent.bearer());
        assert_eq!(
            agent
                .send("POST", "/v1/embeddings", &headers, &torn)
                .await
                .status,
            400
        );
        agent.stop().await;
    }
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("request ended"), "the log was gathered");
    let shown: Vec<_> = logged
        .lines()
        .filter(|line| line.contains("4111 1111"))
        .collect();
    assert!(shown.is_empty(), "content was logged: {shown:?}");
}
