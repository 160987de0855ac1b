//! Services of others behind the gateway: an agent's own API stands in for them, since it is one that
//! any client of OpenAI or the Open Inference Protocol can use.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api, send};
use crate::support::programs::{Agent, Gateway, until};

/// A gateway that hands `assistant`, `vectors` and `tensors` on to `far`.
async fn before(far: &Agent) -> Gateway {
    let key = far.folder.path().join("state/token");
    let upstreams = format!(
        "upstreams:\n  \
         - name: far\n    kind: openai\n    urls: ['http://{}/v1']\n    boundary: cloud\n    keyFile: {key:?}\n    \
         timeouts: {{ healthMs: 300 }}\n    models:\n      \
         - {{ name: assistant, upstreamName: genai, tasks: [chat, completion], usdPerMillionTokens: 1, usdPerMillionAnswerTokens: 4 }}\n      \
         - {{ name: vectors, upstreamName: minilm, tasks: [embedding] }}\n  \
         - name: far-tensors\n    kind: oip\n    urls: ['http://{}']\n    boundary: cloud\n    keyFile: {key:?}\n    \
         models: [{{ name: tensors, upstreamName: identity_bytes }}]\n",
        far.http, far.grpc
    );
    Gateway::start_more(&upstreams).await
}

fn question(stream: bool) -> Value {
    json!({
        "model": "assistant",
        "messages": [{ "role": "user", "content": "When does the tide turn?" }],
        "temperature": 0, "max_tokens": 12, "stream": stream,
        "stream_options": { "include_usage": true },
    })
}

async fn ask(api: &Api, path: &str, body: &Value) -> Answer {
    send(api.post(path).json(body)).await
}

/// The text of a stream's pieces.
fn text(answer: &Answer) -> String {
    let events = answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let chunks = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    chunks
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn requests_are_handed_on_to_services_that_speak_openai_or_the_open_inference_protocol() {
    let far = Agent::start(None).await;
    let gateway = before(&far).await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;

    // At the service itself, through the gateway alone, and from a laptop: the same answer.
    let mut own = question(false);
    own["model"] = "genai".into();
    let expected = ask(&far.api(), "/v1/chat/completions", &own).await.json();
    let expected = expected["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    for api in [gateway.api(), agent.api()] {
        let whole = ask(&api, "/v1/chat/completions", &question(false)).await;
        assert_eq!(whole.status, 200, "{whole:?}");
        let body = whole.json();
        assert_eq!(body["choices"][0]["message"]["content"], expected.as_str());
        assert_eq!(body["model"], "assistant");
        assert_eq!(
            (whole.placement(), whole.header("x-tideline-provider")),
            ("cloud", "far")
        );
        let usage = &body["usage"];
        let tokens = |name: &str| usage[name].as_f64().unwrap();
        let cost = (tokens("prompt_tokens") + 4.0 * tokens("completion_tokens")) / 1e6;
        let told: f64 = whole.header("x-tideline-cost-usd").parse().unwrap();
        assert!((told - cost).abs() < 1e-12, "{told} and {cost}");
        let streamed = ask(&api, "/v1/chat/completions", &question(true)).await;
        assert_eq!(text(&streamed), expected, "{streamed:?}");
    }
    let vectors = json!({ "model": "vectors", "input": "tide" });
    let there = ask(&agent.api(), "/v1/embeddings", &vectors).await;
    let own = far.api().embed("tide", &[]).await;
    assert_eq!(there.placement(), "cloud");
    assert_eq!(
        there.json()["data"][0]["embedding"],
        own.json()["data"][0]["embedding"]
    );

    // Texts as tensors: numbers cannot be read by the policy, and would stay.
    let body = json!({ "inputs": [{ "name": "input", "datatype": "BYTES", "shape": [2], "data": ["tide", "moon"] }] });
    let here = ask(&agent.api(), "/v2/models/identity_bytes/infer", &body).await;
    let handed_on = ask(&agent.api(), "/v2/models/tensors/infer", &body).await;
    assert_eq!(handed_on.status, 200, "{handed_on:?}");
    assert_eq!(handed_on.json()["outputs"], here.json()["outputs"]);

    let sensitive = json!({ "model": "vectors", "input": "write to jo@example.com" });
    let kept = ask(&agent.api(), "/v1/embeddings", &sensitive).await;
    assert_eq!(
        (kept.status, kept.error_code().as_str()),
        (403, "policy_denied")
    );
}

#[tokio::test]
async fn a_service_that_goes_away_is_said_to_be_away_before_anybody_waits_for_it() {
    let far = Agent::start(None).await;
    let gateway = before(&far).await;
    let agent = Agent::start(Some(&gateway)).await;
    agent.attached().await;
    let api = agent.api();
    until("the service", async || {
        let answer = ask(&api, "/v1/chat/completions", &question(false)).await;
        (answer.status == 200).then_some(())
    })
    .await;
    far.process.kill().await;
    // Found by looking: agents are told, and refuse at once with the reason.
    until("the word that it is away", async || {
        let answer = ask(&api, "/v1/chat/completions", &question(false)).await;
        assert!(answer.status >= 500, "{answer:?}");
        (answer.error_code() == "no_eligible_route").then_some(())
    })
    .await;
}
