//! A gateway and an agent as processes, each with a folder of its own. Dropping one ends it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval};

use super::logs::Log;
use super::paths::{library, program, setup};

/// How long anything may take: models are measured at a first start, on a machine that does much else.
const LONG: Duration = Duration::from_secs(120);

/// A policy that keeps regulated data, and lets the rest travel.
pub(crate) const POLICY: &str = r#"
apiVersion: tideline.dev/v1
kind: PlacementPolicy
metadata: { name: test }
spec:
  rules:
    - name: regulated-data-stays
      when: 'request.labels.exists(l, l.startsWith("pii.") || l.startsWith("secret."))'
      boundary: device
    - name: bulk-work-elsewhere
      when: 'request.app == "indexer"'
      avoid: [device]
  default: { boundary: cloud }
  onError: { boundary: device }
"#;

/// Waits until `holds` gives something.
pub(crate) async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + LONG;
    let mut ticks = interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        if let Some(found) = holds().await {
            return found;
        }
        assert!(Instant::now() < give_up, "{what} did not happen in time");
    }
}

/// A program that runs.
pub(crate) struct Process {
    child: Child,
    pub(crate) log: Log,
}

impl Process {
    /// Starts `NAME run --config FILE`.
    pub(crate) fn start(name: &str, config: &Path) -> Self {
        let mut child = Command::new(program(name))
            .args(["run", "--config"])
            .arg(config)
            .env_remove("TIDELINE_MODEL_STORE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Log::follow(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> (ExitStatus, Log) {
        self.signal("TERM").await;
        (self.ended().await, self.log.clone())
    }

    /// Ends it at once, as the kernel would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(LONG, self.child.wait())
            .await
            .unwrap()
            .unwrap()
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
    }
}

/// A gateway's folder and the gateway in it.
pub(crate) struct Gateway {
    pub(crate) folder: TempDir,
    pub(crate) process: Process,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Gateway {
    /// One on any free ports, that serves the full-precision model.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, "127.0.0.1:0").await
    }

    /// One on the folder of another that has ended, at the same address.
    pub(crate) async fn start_in(folder: TempDir, grpc: &str) -> Self {
        Self::start_with(folder, grpc, POLICY).await
    }

    /// One with these settings beside its usual models.
    pub(crate) async fn start_more(settings: &str) -> Self {
        Self::start_serving(&(models() + settings)).await
    }

    /// One that serves what these settings say.
    pub(crate) async fn start_serving(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_as(folder, "127.0.0.1:0", POLICY, settings).await
    }

    /// The same, under this policy.
    pub(crate) async fn start_with(folder: TempDir, grpc: &str, policy: &str) -> Self {
        Self::start_as(folder, grpc, policy, &models()).await
    }

    async fn start_as(folder: TempDir, grpc: &str, policy: &str, settings: &str) -> Self {
        let config = folder.path().join("gateway.yaml");
        let text = format!(
            "insecureDev: true\nstateDir: state\nlisten: {{ grpc: '{grpc}', http: '127.0.0.1:0' }}\n\
             runtime: {{ library: {:?} }}\npolicy: policy.yaml\n{settings}",
            library()
        );
        std::fs::write(&config, text).unwrap();
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        std::fs::remove_file(folder.path().join("state/addresses.json")).ok();
        let mut process = Process::start("tideline-gateway", &config);
        let addresses = addresses(&mut process, &folder.path().join("state")).await;
        let at = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
        Self {
            grpc: at("grpc"),
            http: at("http"),
            folder,
            process,
        }
    }

    pub(crate) fn admin_token(&self) -> String {
        read_token(&self.folder.path().join("state/admin.token"))
    }

    /// `tideline VERB … -o json`, asked of this gateway.
    pub(crate) async fn ask(&self, words: &[&str]) -> Value {
        let answer = Command::new(program("tideline"))
            .args(words)
            .args([
                "-o",
                "json",
                "--gateway",
                &format!("http://{}", self.grpc),
                "--token-file",
            ])
            .arg(self.folder.path().join("state/admin.token"))
            .output()
            .await
            .unwrap();
        assert!(
            answer.status.success(),
            "{}",
            String::from_utf8_lossy(&answer.stderr)
        );
        serde_json::from_slice(&answer.stdout).unwrap()
    }

    /// How many leases of budgets it granted.
    pub(crate) async fn leases(&self) -> usize {
        let metrics = self.api().get("/metrics").await.body;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("tideline_gateway_budget_leases_total"));
        let count = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        count.unwrap_or(0)
    }

    /// Waits until so many outcomes are stored, and gives them, newest first.
    pub(crate) async fn outcomes(&self, count: usize) -> Vec<Value> {
        until("the delivery of outcomes", async || {
            let outcomes = self.ask(&["outcomes", "list", "--limit", "10000"]).await;
            let outcomes = outcomes.as_array().unwrap().clone();
            (outcomes.len() >= count).then_some(outcomes)
        })
        .await
    }
}

/// What a gateway usually serves.
fn models() -> String {
    format!(
        "models:\n  - {{ path: {:?}, variants: [fp32], usdPerMillionTokens: 0.02 }}\n  \
         - {{ path: {:?}, usdPerMillionTokens: 2 }}\n",
        setup("models/minilm"),
        setup("models/decoders/genai")
    )
}

/// An agent's folder and the agent in it.
pub(crate) struct Agent {
    pub(crate) folder: TempDir,
    pub(crate) process: Process,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
}

impl Agent {
    /// One that serves the int8 model on any free ports, attached to `gateway` if there is one.
    pub(crate) async fn start(gateway: Option<&Gateway>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
        let gateway = gateway.map_or_else(String::new, |gateway| {
            let token = gateway.folder.path().join("state/fleet.token");
            format!(
                "gateway: {{ url: 'http://{}', tokenFile: {token:?} }}\n",
                gateway.grpc
            )
        });
        let models = format!(
            "models:\n  - {{ path: {:?}, variants: [int8] }}\n  - {{ path: {:?} }}\n  - {{ path: {:?} }}\n  - {{ path: {:?} }}\n",
            setup("models/minilm"),
            setup("models/decoders/genai"),
            setup("models/fixtures/echo"),
            setup("models/fixtures/identity_bytes")
        );
        let text = format!(
            "stateDir: state\nmodelStore: none\nlisten: {{ http: '127.0.0.1:0', grpc: '127.0.0.1:0', socket: agent.sock }}\n\
             runtime: {{ library: {:?} }}\npolicy: policy.yaml\n{models}{gateway}",
            library()
        );
        std::fs::write(folder.path().join("agent.yaml"), text).unwrap();
        Self::start_in(folder).await
    }

    /// One on the folder of another that has ended.
    pub(crate) async fn start_in(folder: TempDir) -> Self {
        std::fs::remove_file(folder.path().join("state/addresses.json")).ok();
        let mut process = Process::start("tideline-agent", &folder.path().join("agent.yaml"));
        let addresses = addresses(&mut process, &folder.path().join("state")).await;
        let at = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
        let agent = Self {
            http: at("http"),
            grpc: at("grpc"),
            folder,
            process,
        };
        agent.ready().await;
        agent
    }

    pub(crate) fn token(&self) -> String {
        read_token(&self.folder.path().join("state/token"))
    }

    /// Waits until the gateway is attached.
    pub(crate) async fn attached(&self) {
        until("the way to the gateway", async || {
            let metrics = self.api().get("/metrics").await;
            metrics
                .body
                .contains("tideline_agent_gateway_attached 1")
                .then_some(())
        })
        .await;
    }

    async fn ready(&self) {
        until("readiness", async || {
            (self.api().get("/readyz").await.status == 200).then_some(())
        })
        .await;
    }
}

/// What a program wrote down of where it can be reached.
async fn addresses(process: &mut Process, state: &Path) -> Value {
    let file = state.join("addresses.json");
    let log = process.log.clone();
    until("the start", async || {
        if let Ok(Some(status)) = process.child.try_wait() {
            panic!("it ended with {status}:\n{}", log.text());
        }
        serde_json::from_slice(&std::fs::read(&file).ok()?).ok()
    })
    .await
}

fn read_token(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}
