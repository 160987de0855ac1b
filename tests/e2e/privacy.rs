//! What a policy keeps on the device never leaves it: not in requests, logs, metrics, telemetry or
//! state.

use std::path::Path;

use crate::support::programs::{Agent, Gateway};

/// Planted where it must stay, and looked for everywhere else.
const PLANTED: &str = "zanzibar-heliotrope-41";

#[tokio::test]
async fn what_a_policy_keeps_on_the_device_never_leaves_it() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let api = agent.api();
    let text = format!("{PLANTED}: write to jo@example.com");
    for mode in ["prefer-in-cloud", "prefer-on-device", "only-on-device"] {
        assert_eq!(
            api.embed(&text, &[("x-tideline-mode", mode)])
                .await
                .placement(),
            "device"
        );
    }
    assert_eq!(
        api.embed(&text, &[("x-tideline-mode", "only-in-cloud")])
            .await
            .status,
        403
    );
    assert_eq!(
        api.embed(&text, &[("x-tideline-app", "indexer")])
            .await
            .placement(),
        "device"
    );
    gateway.outcomes(5).await;

    let metrics = [
        agent.api().get("/metrics").await.body,
        gateway.api().get("/metrics").await.body,
    ];
    assert!(
        metrics
            .iter()
            .all(|metrics| metrics.contains("tideline_") && !metrics.contains(PLANTED))
    );
    assert_eq!(
        gateway.ask(&["served"]).await.as_array().unwrap().len(),
        0,
        "the gateway ran nothing"
    );

    let (status, agent_log) = agent.process.stop().await;
    assert!(status.success());
    let (status, gateway_log) = gateway.process.stop().await;
    assert!(status.success());
    for (log, folder) in [(agent_log, agent.folder), (gateway_log, gateway.folder)] {
        assert!(!log.text().contains(PLANTED));
        search(folder.path());
    }
}

#[tokio::test]
async fn one_sensitive_message_keeps_a_whole_conversation_here() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let api = agent.api();
    let elsewhere = [("x-tideline-app", "indexer")];
    let sensitive = format!("{PLANTED}: reach me at jo@example.com");
    let long = format!("{}{sensitive}", "The tide. ".repeat(80));
    for role in ["system", "user", "assistant", "tool"] {
        for content in [&sensitive, &long] {
            let messages = [(role, content.as_str()), ("user", "And now?")];
            // The second time, the long one is known by its digest.
            for _ in 0..2 {
                let answer = api.chat(&messages, &elsewhere).await;
                assert_eq!(
                    (answer.status, answer.placement()),
                    (200, "device"),
                    "{role}"
                );
                assert!(answer.body.ends_with("data: [DONE]\n\n"));
            }
        }
    }
    let without = api.chat(&[("user", "And now?")], &elsewhere).await;
    assert_eq!(without.placement(), "cloud");
    gateway.outcomes(17).await;
    let served = gateway.ask(&["served"]).await;
    assert_eq!(served.as_array().unwrap().len(), 1, "{served}");
    let (_, agent_log) = agent.process.stop().await;
    let (_, gateway_log) = gateway.process.stop().await;
    for (log, folder) in [(agent_log, agent.folder), (gateway_log, gateway.folder)] {
        assert!(!log.text().contains(PLANTED));
        search(folder.path());
    }
}

#[tokio::test]
async fn content_that_may_travel_is_kept_nowhere_either() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let answer = agent
        .api()
        .embed(PLANTED, &[("x-tideline-app", "indexer")])
        .await;
    assert_eq!(answer.placement(), "cloud");
    gateway.outcomes(1).await;
    let agent_folder = agent.folder;
    agent.process.kill().await;
    let (_, log) = gateway.process.stop().await;
    assert!(!log.text().contains(PLANTED));
    search(agent_folder.path());
    search(gateway.folder.path());
}

/// No file below `folder` holds what was planted.
fn search(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let found = bytes
                .windows(PLANTED.len())
                .any(|window| window == PLANTED.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}
