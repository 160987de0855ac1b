//! The laptop answers what it is sure of, with a model that was trained for it, and the gateway's larger
//! one answers the rest.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::api::{Answer, send};
use crate::support::paths::{library, root};
use crate::support::programs::{Agent, Gateway};

const POLICY: &str = r#"
apiVersion: tideline.dev/v1
kind: PlacementPolicy
metadata: { name: test }
spec:
  rules:
    - name: regulated-data-stays
      when: 'request.labels.exists(l, l.startsWith("pii."))'
      boundary: device
    - name: answer-here-first
      when: 'request.task == "chat"'
      cascade: { minConfidence: 0.85 }
  default: { boundary: cloud }
"#;

fn assistant(size: &str) -> PathBuf {
    root().join("tests/models").join(size).join("assistant")
}

/// A gateway with the large model, and an agent with the small one.
async fn fleet() -> (Gateway, Agent) {
    let large = format!(
        "models: [{{ path: {:?}, usdPerMillionTokens: 1 }}]\n",
        assistant("large")
    );
    let gateway = Gateway::start_serving(&large).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
    let token = gateway.folder.path().join("state/fleet.token");
    let config = format!(
        "stateDir: state\nlisten: {{ http: '127.0.0.1:0', grpc: '127.0.0.1:0', socket: agent.sock }}\n\
         runtime: {{ library: {:?} }}\npolicy: policy.yaml\nmodelStore: none\nmodels: [{{ path: {:?} }}]\n\
         gateway: {{ url: 'http://{}', tokenFile: {token:?} }}\n",
        library(),
        assistant("small"),
        gateway.grpc
    );
    std::fs::write(folder.path().join("agent.yaml"), config).unwrap();
    let agent = Agent::start_in(folder).await;
    agent.attached().await;
    (gateway, agent)
}

async fn ask(agent: &Agent, question: &str) -> Answer {
    let body = json!({
        "model": "assistant", "temperature": 0, "max_tokens": 32,
        "messages": [{ "role": "user", "content": question }],
    });
    send(agent.api().post("/v1/chat/completions").json(&body)).await
}

fn said(answer: &Answer) -> String {
    let body: Value = answer.json();
    body["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn what_the_laptop_is_sure_of_stays_and_the_rest_is_answered_by_the_gateway() {
    let (gateway, agent) = fleet().await;
    let easy = ask(&agent, "What is 7 + 2?").await;
    assert_eq!((said(&easy).as_str(), easy.placement()), ("9", "cascade"));
    assert!(
        easy.header("x-tideline-reason").ends_with("0.85 is enough"),
        "{easy:?}"
    );
    let hard = ask(&agent, "How much is 597 plus 240?").await;
    assert_eq!((said(&hard).as_str(), hard.placement()), ("837", "cascade"));
    assert!(
        hard.header("x-tideline-reason").contains("escalated"),
        "{hard:?}"
    );
    let told: f64 = hard.header("x-tideline-cost-usd").parse().unwrap();
    assert!(told > 0.0);
    let kept = ask(
        &agent,
        "What is the email address? You can reach us at carlos.rossi@mail.test.",
    )
    .await;
    assert_eq!(
        (said(&kept).as_str(), kept.placement()),
        ("carlos.rossi@mail.test", "device")
    );

    let outcomes = gateway.outcomes(3).await;
    let actual = |index: usize| outcomes[index]["actual"].clone();
    let (kept, hard, easy) = (actual(0), actual(1), actual(2));
    assert_eq!(kept["confidence"], Value::Null);
    assert_eq!(
        (&hard["hasEscalated"], &easy["hasEscalated"]),
        (&json!(true), &json!(false))
    );
    assert!(easy["confidence"].as_f64().unwrap() > 0.85);
    assert!(hard["confidence"].as_f64().unwrap() < 0.85);
    // Both were paid for: the gateway's tokens, and what the laptop drew for nothing.
    assert!(hard["energyWattHours"].as_f64().unwrap() > 0.0);
    assert!(hard["costUsd"].as_f64().unwrap() > 0.0 && easy["costUsd"] == 0.0);
}

#[tokio::test]
async fn what_the_laptop_is_unsure_of_is_still_answered_when_the_gateway_is_away() {
    let (gateway, agent) = fleet().await;
    gateway.process.kill().await;
    let answer = ask(&agent, "How much is 597 plus 240?").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
