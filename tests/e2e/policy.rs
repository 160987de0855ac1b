//! Policies as their authors use them: tried on a running agent, changed under it, with a plug-in that
//! someone else wrote, and replayed on what was recorded.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::paths::{program, root, setup};
use crate::support::programs::{Agent, Gateway, POLICY, until};

const MAIL: &str = "write to jo@example.com";

async fn tideline(words: &[&str]) -> (Option<i32>, String, String) {
    let ran = Command::new(program("tideline"))
        .args(words)
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ran.status.code(), text(&ran.stdout), text(&ran.stderr))
}

#[tokio::test]
async fn a_dry_run_tells_where_a_text_or_a_conversation_would_run_and_runs_nothing() {
    let agent = Agent::start(None).await;
    let state = agent.folder.path().join("state");
    let state = state.to_str().unwrap();
    let (code, told, wrong) =
        tideline(&["route", MAIL, "--model", "minilm", "--state-dir", state]).await;
    assert_eq!(code, Some(0), "{wrong}");
    assert!(
        told.contains("boundary device (rule regulated-data-stays, request.labels = [pii.email])"),
        "{told}"
    );
    assert!(
        !told.contains("jo@example.com"),
        "content is not told again: {told}"
    );

    let conversation = agent.folder.path().join("chat.json");
    let messages = format!(
        r#"[{{"role":"system","content":"be kind"}},{{"role":"user","content":[{{"type":"text","text":"{MAIL}"}}]}}]"#
    );
    std::fs::write(&conversation, messages).unwrap();
    let conversation = conversation.to_str().unwrap();
    let words = [
        "route",
        "--conversation",
        conversation,
        "--model",
        "minilm",
        "--state-dir",
        state,
        "-o",
        "json",
    ];
    let (code, told, wrong) = tideline(&words).await;
    assert_eq!(code, Some(0), "{wrong}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["facts"]["request"]["labels"][0], "pii.email");
    assert_eq!(told["decision"]["boundary"], "device");

    let metrics = agent.api().get("/metrics").await.body;
    assert!(
        !metrics.contains("tideline_agent_requests_total{"),
        "nothing was run or recorded"
    );
    let (code, _, wrong) =
        tideline(&["route", "x", "--model", "no-such", "--state-dir", state]).await;
    assert_eq!(
        (code, wrong.contains("no-such")),
        (Some(1), true),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_changed_policy_takes_effect_between_requests_and_a_broken_one_is_refused_loudly() {
    let agent = Agent::start(None).await;
    let file = agent.folder.path().join("policy.yaml");
    let api = agent.api();
    let hash = async || {
        api.embed("the tide", &[])
            .await
            .header("x-tideline-policy")
            .to_owned()
    };
    let before = hash().await;
    std::fs::write(&file, POLICY.replace("pii.", "pi.")).unwrap();
    let after = until("the new policy", async || {
        let now = hash().await;
        (now != before).then_some(now)
    })
    .await;
    std::fs::write(
        &file,
        POLICY.replace("boundary: device", "boundary: devise"),
    )
    .unwrap();
    until("the refusal", async || {
        let log = agent.process.log.text();
        (log.contains("the old one stays in force") && log.contains("did you mean `device`?"))
            .then_some(())
    })
    .await;
    assert_eq!(hash().await, after);
}

/// The plug-in of the documentation, at its address.
async fn plug_in() -> (Child, String) {
    let mut child = Command::new(setup("venv").join("bin/python"))
        .arg(root().join("docs/plug-in.py"))
        .arg(root().join("proto"))
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let port = line.trim_start_matches("listening on port ").to_owned();
    (child, format!("http://127.0.0.1:{port}"))
}

#[tokio::test]
async fn a_plug_in_in_python_narrows_decisions_and_on_error_decides_when_it_is_gone() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    let (mut python, url) = plug_in().await;
    let folder = {
        let Agent {
            folder, process, ..
        } = agent;
        process.stop().await;
        folder
    };
    let config = folder.path().join("agent.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        format!("{text}plugIn: {{ url: '{url}', deadlineMs: 2000 }}\n"),
    )
    .unwrap();
    // The policy itself lets everything travel: what stays does so for the plug-in.
    let open = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: open }\nspec:\n  default: { boundary: cloud }\n";
    std::fs::write(folder.path().join("policy.yaml"), open).unwrap();
    let agent = Agent::start_in(folder).await;
    agent.attached().await;
    let api = agent.api();
    let stays = api.embed(MAIL, &[]).await;
    assert_eq!((stays.status, stays.placement()), (200, "device"));
    assert_eq!(
        stays.header("x-tideline-reason"),
        "device: the plug-in says so"
    );
    python.kill().await.unwrap();
    let alone = api
        .embed("the tide", &[("x-tideline-mode", "prefer-in-cloud")])
        .await;
    assert_eq!((alone.status, alone.placement()), (200, "device"));
    assert!(
        alone.header("x-tideline-reason").contains("onError"),
        "{}",
        alone.header("x-tideline-reason")
    );
}

#[tokio::test]
async fn recorded_requests_are_decided_again_under_another_policy() {
    let gateway = Gateway::start().await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let api = agent.api();
    api.embed(MAIL, &[]).await;
    api.embed("the tide", &[("x-tideline-app", "indexer")])
        .await;
    gateway.outcomes(2).await;

    let new = agent.folder.path().join("new.yaml");
    std::fs::write(
        &new,
        POLICY
            .replace("pii.", "pii.phone")
            .replace("\"indexer\"", "\"pump\""),
    )
    .unwrap();
    let new = new.to_str().unwrap();
    let change = gateway.ask(&["policy", "replay", "--policy", new]).await;
    assert_eq!(
        (&change["requests"], &change["skipped"]),
        (&2.into(), &0.into())
    );
    let same = agent.folder.path().join("policy.yaml");
    let change = gateway
        .ask(&["policy", "replay", "--policy", same.to_str().unwrap()])
        .await;
    assert_eq!(change["egress"].as_array().unwrap().len(), 0);
    let moved = change["placements"].as_array().unwrap();
    assert!(
        moved.iter().all(|one| one["from"] == one["to"]),
        "a policy replays to the same result: {change}"
    );

    let token = gateway.folder.path().join("state/admin.token");
    let open = agent.folder.path().join("open.yaml");
    let text = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: open }\nspec:\n  rules: [{ name: all, avoid: [device] }]\n  default: { boundary: cloud }\n";
    std::fs::write(&open, text).unwrap();
    let (code, told, wrong) = tideline(&[
        "policy",
        "replay",
        "--policy",
        open.to_str().unwrap(),
        "--fail-on",
        "egress,cost>5%",
        "--gateway",
        &format!("http://{}", gateway.grpc),
        "--token-file",
        token.to_str().unwrap(),
    ])
    .await;
    assert_eq!(code, Some(1), "{told}{wrong}");
    assert!(
        told.contains("WOULD NEWLY TRAVEL: 1") && told.contains("labels: pii.email"),
        "{told}"
    );
    assert!(
        wrong.contains("the content of 1 requests would newly travel"),
        "{wrong}"
    );
}

#[tokio::test]
async fn our_engine_serves_as_a_plug_in_too() {
    let policy = root().join("docs/policies/bank.yaml");
    let mut child = Command::new(program("tideline"))
        .args([
            "policy",
            "serve",
            policy.to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
        ])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("grpc://"))
        .unwrap();
    let url = url.trim_end_matches(',').replace("grpc://", "http://");
    let folder = {
        let Agent {
            folder, process, ..
        } = Agent::start(None).await;
        process.stop().await;
        folder
    };
    let config = folder.path().join("agent.yaml");
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("policy: policy.yaml\n", "");
    std::fs::write(
        &config,
        format!("{text}plugIn: {{ url: '{url}', deadlineMs: 2000, alone: true }}\n"),
    )
    .unwrap();
    let agent = Agent::start_in(folder).await;
    let answer = agent
        .api()
        .embed("IBAN DE89 3704 0044 0532 0130 00", &[])
        .await;
    assert_eq!((answer.status, answer.placement()), (200, "device"));
    assert_eq!(
        answer.header("x-tideline-reason"),
        "device: the only candidate"
    );
}

#[tokio::test]
async fn a_budget_is_spent_from_leases_and_then_work_stays_at_home() {
    // Six millionths of a dollar: each request costs less than one, and is charged one.
    let budget = "spec:\n  budgets:\n    - { name: cloud, usdPerMonth: 0.000006, whenSpent: { boundary: device } }\n";
    let policy = POLICY.replace("spec:\n", budget);
    let gateway = Gateway::start().await;
    let (folder, grpc) = (gateway.folder, gateway.grpc.to_string());
    gateway.process.stop().await;
    let gateway = Gateway::start_with(folder, &grpc, &policy).await;
    let agent = Agent::start(Some(&gateway)).await;
    std::fs::write(agent.folder.path().join("policy.yaml"), &policy).unwrap();
    agent.attached().await;
    let api = agent.api();
    let mut paid = 0;
    let ask = async || {
        api.embed("the tide", &[("x-tideline-app", "indexer")])
            .await
    };
    until("the end of the budget", async || {
        let answer = ask().await;
        assert_eq!(answer.status, 200);
        paid += usize::from(
            answer.placement() == "cloud" && !answer.header("x-tideline-policy").is_empty(),
        );
        let leases = gateway.leases().await;
        (leases >= 6 && answer.placement() == "device").then_some(())
    })
    .await;
    let reason = ask().await.header("x-tideline-reason").to_owned();
    assert!(reason.contains("budget.cloud.spent"), "{reason}");
    // What was paid before the policy came into force was charged to nobody.
    assert!(paid >= 6, "{paid}");
}
