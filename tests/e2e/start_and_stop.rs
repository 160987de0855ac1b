//! Starts that must fail say why; stops are clean.

use std::time::{Duration, Instant};

use crate::support::paths::{library, setup};
use crate::support::programs::{Agent, Gateway, Process};

async fn fails_to_start(program: &str, config: &str, policy: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config).unwrap();
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let mut process = Process::start(program, &file);
    let status = process.ended().await;
    let log = crate::support::programs::until("its last words", async || {
        let text = process.log.text();
        text.contains(expected).then_some(text)
    });
    assert!(!status.success());
    log.await;
}

#[tokio::test]
async fn a_configuration_that_is_not_one_stops_the_start() {
    fails_to_start(
        "tideline-agent",
        "listen:\n  htpt: 127.0.0.1:0\n",
        "",
        "config.yaml:2:3: listen: unknown field `htpt`",
    )
    .await;
    fails_to_start(
        "tideline-agent",
        "listen: { http: '0.0.0.0:7071' }\n",
        "",
        "loopback",
    )
    .await;
    fails_to_start(
        "tideline-gateway",
        "listen: { grpc: '127.0.0.1:0' }\n",
        "",
        "--insecure-dev",
    )
    .await;
    fails_to_start(
        "tideline-gateway",
        "insecureDev: true\nlisten: { grpc: '0.0.0.0:7080' }\n",
        "",
        "loopback",
    )
    .await;
}

#[tokio::test]
async fn a_policy_with_faults_stops_the_start_and_names_them_all() {
    let policy = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: x }\nspec:\n  rules:\n    - name: one\n      wehn: 'true'\n      boundary: device\n    - name: two\n      when: 'request.tokenz > 3'\n      boundary: device\n";
    let config = "stateDir: state\npolicy: policy.yaml\nlisten: { http: '127.0.0.1:0', grpc: '127.0.0.1:0' }\n";
    fails_to_start(
        "tideline-agent",
        config,
        policy,
        "did you mean `request.tokens`?",
    )
    .await;
    fails_to_start("tideline-agent", config, policy, "policy.yaml:7:7").await;
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_left_out_and_the_others_serve() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::copy(
        setup("models/fixtures/hostile/truncated.onnx"),
        broken.join("model.onnx"),
    )
    .unwrap();
    let config = format!(
        "stateDir: state\nmodelStore: none\nlisten: {{ http: '127.0.0.1:0', grpc: '127.0.0.1:0' }}\nruntime: {{ library: {:?} }}\n\
         models: [{{ path: broken }}, {{ path: {:?}, variants: [int8] }}]\n",
        library(),
        setup("models/minilm")
    );
    std::fs::write(folder.path().join("agent.yaml"), config).unwrap();
    let agent = Agent::start_in(folder).await;
    assert_eq!(agent.api().embed("hello", &[]).await.status, 200);
    assert!(
        agent
            .process
            .log
            .text()
            .contains("not a readable ONNX model"),
        "{}",
        agent.process.log.text()
    );
}

#[tokio::test]
async fn a_stop_is_clean_and_quick_and_nothing_loud_was_logged() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    assert_eq!(agent.api().embed("hello", &[]).await.status, 200);
    for process in [agent.process, gateway.process] {
        let asked = Instant::now();
        let (status, log) = process.stop().await;
        assert!(status.success(), "{}", log.text());
        assert!(
            asked.elapsed() < Duration::from_secs(15),
            "{:?}",
            asked.elapsed()
        );
        assert_eq!(log.surprises(&[]), [""; 0]);
    }
}
