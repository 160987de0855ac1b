//! Models as people have them: imported from folders, pulled from a hub, and served by the agent.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::hub::{COMMIT, Hub, Trick};
use crate::support::paths::{library, program, setup};
use crate::support::programs::{Agent, until};

/// The graph of the model that the hub has.
const GRAPH: &str = "/large/model.onnx";
const TOKEN: &str = "hf_a-secret-of-the-hub";

/// A store of models in a folder of its own.
struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("tideline"));
        command
            .arg("model")
            .args(words)
            .arg("--store")
            .arg(self.path());
        command
            .env_remove("HF_ENDPOINT")
            .env_remove("TIDELINE_MODEL_STORE")
            .env("HF_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().await.unwrap()
    }

    /// What it prints as JSON.
    async fn ask(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["-o", "json"]].concat()).await;
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn pull(&self, hub: &Hub, more: &[&str]) -> Output {
        let words = ["pull", "hf:test/genai", "--endpoint", &hub.url()];
        self.run(&[&words, more].concat()).await
    }

    /// Bytes of the graph that a pull left behind.
    fn left(&self) -> usize {
        let entries = std::fs::read_dir(self.path().join("partial"));
        let sizes = entries.into_iter().flatten().flatten().map(|entry| {
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            usize::try_from(size).unwrap()
        });
        sizes.max().unwrap_or(0)
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An agent that has what is in that store and nothing else.
async fn agent(store: &Path) -> Agent {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "stateDir: state\nmodelStore: {store:?}\nlisten: {{ http: '127.0.0.1:0', grpc: '127.0.0.1:0' }}\n\
         runtime: {{ library: {:?} }}\n",
        library()
    );
    std::fs::write(folder.path().join("agent.yaml"), config).unwrap();
    Agent::start_in(folder).await
}

/// Whether a model of that name answers a chat.
async fn chats(agent: &Agent, model: &str) {
    let call = json!({ "model": model, "max_tokens": 4, "messages": [{ "role": "user", "content": "hi" }] });
    let api = agent.api();
    until("a chat", async || {
        let request = api.post("/v1/chat/completions").json(&call);
        let answer = crate::support::api::send(request).await;
        let tokens = answer.json()["usage"]["completion_tokens"].as_u64();
        (answer.status == 200 && tokens > Some(0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_pull_that_was_killed_fetches_only_what_is_missing_and_the_agent_serves_it() {
    let hub = Hub::start(&setup("models/decoders/genai")).await;
    let shelf = Shelf::new();
    let total = setup("models/decoders/genai").join("model.onnx");
    let total = usize::try_from(total.metadata().unwrap().len()).unwrap();

    hub.play(Trick::StallAfter(total / 2));
    let words = ["pull", "hf:test/genai", "--endpoint", &hub.url()];
    let mut child = shelf.command(&words).stderr(Stdio::null()).spawn().unwrap();
    until("half of the graph", async || {
        (shelf.left() == total / 2).then_some(())
    })
    .await;
    child.kill().await.unwrap();
    assert_eq!(shelf.ask(&["list"]).await, json!([]));

    hub.play(Trick::None);
    let output = shelf.pull(&hub, &[]).await;
    assert!(output.status.success(), "{}", said(&output));
    let asked = hub.asked();
    let of_graph: Vec<_> = asked.iter().filter(|asked| asked.path == GRAPH).collect();
    let sent: Vec<_> = of_graph.iter().map(|it| (it.from, it.sent)).collect();
    assert_eq!(sent, [(total / 2, total - total / 2)]);
    assert!(!asked.iter().any(|asked| asked.path.contains("README")));
    // The token is shown to the hub, and to nobody that it redirects to.
    let bearer = Some(format!("Bearer {TOKEN}"));
    for asked in asked {
        let expected = bearer.clone().filter(|_| !asked.is_elsewhere);
        assert_eq!(asked.token, expected, "{}", asked.path);
    }
    assert!(!said(&output).contains(TOKEN));

    let model = shelf.ask(&["show", "test/genai", "--check"]).await;
    let expected = json!(["chat", "mit", format!("hf:test/genai@{COMMIT}")]);
    assert_eq!(
        json!([model["task"], model["licence"], model["source"]]),
        expected
    );
    assert_eq!(shelf.left(), 0);
    chats(&agent(&shelf.path()).await, "test/genai").await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_gone_on_with() {
    let hub = Hub::start(&setup("models/decoders/genai")).await;
    let shelf = Shelf::new();
    hub.play(Trick::CutAfter(100_000));
    let output = shelf.pull(&hub, &["--name", "mine"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let asked = hub.asked();
    let of_graph = asked.iter().filter(|asked| asked.path == GRAPH);
    let from: Vec<_> = of_graph.map(|asked| asked.from).collect();
    assert_eq!(from, [0, 100_000]);
    shelf.ask(&["show", "mine", "--check"]).await;
}

#[tokio::test]
async fn an_agent_that_runs_serves_what_is_imported_and_forgets_what_is_removed() {
    let shelf = Shelf::new();
    let agent = agent(&shelf.path()).await;
    let optimum = setup("models/decoders/optimum");
    let optimum = optimum.to_str().unwrap();
    let model = shelf.ask(&["import", optimum, "--name", "org/opt"]).await;
    assert_eq!(
        json!([model["name"], model["task"]]),
        json!(["org/opt", "chat"])
    );
    chats(&agent, "org/opt").await;

    assert!(shelf.run(&["rm", "org/opt"]).await.status.success());
    until("the model's leave", async || {
        let models = agent.api().get("/v1/models").await;
        (!models.body.contains("org/opt")).then_some(())
    })
    .await;
    assert_eq!(shelf.run(&["rm", "org/opt"]).await.status.code(), Some(3));
}

#[tokio::test]
async fn a_hub_that_goes_wrong_is_refused_by_name_and_nothing_is_installed() {
    let hub = Hub::start(&setup("models/decoders/genai")).await;
    let far = |to: &str| Trick::RedirectTo(to.to_owned());
    let around = format!("{}/test/genai/resolve/{COMMIT}/model.onnx", hub.url());
    for (trick, code, expected) in [
        (
            far("http://169.254.169.254/latest/meta-data"),
            1,
            "169.254.169.254",
        ),
        (far("https://[fe80::1]/f"), 1, "no public address"),
        (far("https://10.0.0.1/f"), 1, "no public address"),
        (
            far("file:///etc/passwd"),
            1,
            "`file://` is not a way to a hub",
        ),
        (far(&around), 1, "redirects more than 5 times"),
        (Trick::WrongBytes, 1, "is not the file that the hub lists"),
        (Trick::WrongDigest, 1, "with another digest"),
        (Trick::LieAboutSizes(-1), 1, "bytes, and announces"),
        (Trick::LieAboutSizes(1), 1, "bytes, and announces"),
        (
            Trick::Unmeasured(-1),
            1,
            "sends more of model.onnx than the",
        ),
        (Trick::Unmeasured(1), 4, "given up after 5 tries"),
        (
            Trick::AlsoList("../../evil".into()),
            1,
            "`../../evil` is not a plain path",
        ),
        (
            Trick::AlsoList("/etc/evil".into()),
            1,
            "`/etc/evil` is not a plain path",
        ),
        (Trick::ListMany(50_001), 1, "expected at most 50000 files"),
        (Trick::ListMany(400_000), 1, "has more than 16777216 bytes"),
        (
            Trick::Only(|name| name == "config.json"),
            1,
            "it holds no ONNX files",
        ),
        (
            Trick::Refuse("401 Unauthorized"),
            1,
            "set HF_TOKEN or --hub-token-file",
        ),
        (
            Trick::Refuse("404 Not Found"),
            3,
            "127.0.0.1 has no hf:test/genai@main",
        ),
        (
            Trick::Refuse("503 Service Unavailable"),
            4,
            "given up after 5 tries",
        ),
    ] {
        let shelf = Shelf::new();
        hub.play(trick);
        let output = shelf.pull(&hub, &[]).await;
        let said = said(&output);
        assert!(said.contains(expected), "{expected}: {said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains(TOKEN), "{said}");
        assert_eq!(shelf.ask(&["list"]).await, json!([]));
    }
}

#[tokio::test]
async fn words_that_name_no_model_and_hubs_in_clear_text_are_wrong_usage() {
    let shelf = Shelf::new();
    for words in [
        vec!["pull", "hf:../../etc"],
        vec!["pull", "hf:a/b", "--endpoint", "http://203.0.113.1"],
        vec![
            "pull",
            "hf:a/b",
            "--endpoint",
            "http://169.254.169.254",
            "--insecure",
        ],
        vec!["show", "../etc"],
        vec!["import", "/", "--name", "../up"],
    ] {
        let output = shelf.run(&words).await;
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            said(&output)
        );
    }
    let output = shelf.run(&["import", "/etc"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("/etc is not a model package"));
}
