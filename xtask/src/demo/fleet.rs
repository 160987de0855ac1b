//! The demo's fleet: one gateway on embedded SQLite, and one laptop that is attached to it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use super::chat::Line;
use crate::program::Events;
use crate::repository;
use crate::tideline::{self, Agent, AgentSettings, Gateway, GatewaySettings, Price};

/// What a million tokens cost "in the cloud": the price of a small embedding model there …
const EMBEDDING: Price = Price {
    prompt: 0.02,
    answer: 0.02,
};
/// … and of a small chat model.
const CHAT: Price = Price {
    prompt: 0.15,
    answer: 0.6,
};

/// Both programs, and what the demo needs to talk to them.
#[derive(Debug)]
pub(crate) struct Fleet {
    folder: PathBuf,
    gateway: Gateway,
    line: Line,
    agent: Agent,
    token: String,
}

impl Fleet {
    /// Starts both on an empty state, and waits until the one has found the other.
    ///
    /// # Errors
    ///
    /// When one does not get ready; its last words are in the message.
    pub(crate) fn start(events: &Events) -> Result<Self> {
        let folder = tideline::fresh_folder("demo")?;
        let minilm = repository::setup().join("models/minilm");
        let assistant = |size: &str| {
            let models = repository::root().join("tests/models");
            models.join(size).join("assistant")
        };
        let policy = repository::root().join("deploy/demo/policy.yaml");
        println!("demo: starting a gateway and an agent …");
        let gateway = Gateway::start(
            &GatewaySettings {
                folder: &folder,
                models: &[
                    ((minilm.clone(), &["fp32"]), EMBEDDING),
                    ((assistant("large"), &[]), CHAT),
                ],
                policy: None,
                upstreams: "",
            },
            events,
        )?;
        let line = Line::to(gateway.grpc)?;
        let agent = Agent::start(
            &AgentSettings {
                folder: &folder,
                models: &[(minilm, &[]), (assistant("small"), &[])],
                policy: Some(&policy),
                gateway: Some(&gateway),
                by: Some(line.address),
            },
            events,
        )?;
        agent.attached(events)?;
        let token = agent.token()?;
        Ok(Self {
            folder,
            gateway,
            line,
            agent,
            token,
        })
    }

    /// Ends the agent, which delivers its last outcomes, and then the gateway.
    ///
    /// # Errors
    ///
    /// When one does not end in order.
    pub(crate) fn stop(self, events: &Events) -> Result<()> {
        let agent = self.agent.program.stop(events);
        self.gateway.program.stop(events)?;
        agent
    }

    /// The agent's HTTP API.
    pub(crate) fn agent_url(&self) -> String {
        format!("http://{}", self.agent.http)
    }

    /// The line between the two.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// The token that apps show to the agent.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// What `tideline WORDS` lists of this gateway.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer.
    pub(crate) fn gateway_says(&self, words: &[&str]) -> Result<Vec<Value>> {
        self.gateway.says(words)
    }

    /// What is where, for a person.
    pub(crate) fn places(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "agent",
                format!(
                    "http://{}/v1 (OpenAI), /v2 (Open Inference)",
                    self.agent.http
                ),
            ),
            ("agent, gRPC", self.agent.grpc.to_string()),
            ("agent's token", inside(&self.agent.token_file())),
            ("gateway, gRPC", self.gateway.grpc.to_string()),
            ("gateway, HTTP", format!("http://{}", self.gateway.http)),
            ("policy", "deploy/demo/policy.yaml".to_owned()),
            ("state and logs", inside(&self.folder)),
        ]
    }

    /// Three things to try, ready to be copied.
    pub(crate) fn commands(&self, decision: &str) -> [String; 3] {
        let (url, token) = (self.agent_url(), inside(&self.agent.token_file()));
        let operator = self.gateway.operator().map(|word| inside(Path::new(&word)));
        [
            format!(
                "curl -si {url}/v1/embeddings -H \"Authorization: Bearer $(cat {token})\" \\\n    \
                 -H 'Content-Type: application/json' \\\n    \
                 -d '{{\"model\": \"minilm\", \"input\": \"Write to jo@example.com\"}}' | head -12"
            ),
            format!(
                "python3 - <<'END'   # pip install openai\n\
                 from openai import OpenAI\n\
                 client = OpenAI(base_url=\"{url}/v1\", api_key=open(\"{token}\").read().strip())\n\
                 answer = client.embeddings.with_raw_response.create(\
                 model=\"minilm\", input=\"The tide comes in.\")\n\
                 print(answer.headers[\"x-tideline-placement\"], \
                 answer.headers[\"x-tideline-reason\"])\n\
                 print(answer.parse().data[0].embedding[:4])\n\
                 END"
            ),
            format!(
                "target/release/tideline explain {decision} {}",
                operator.join(" ")
            ),
        ]
    }
}

/// A path as one types it in the root of the repository.
fn inside(path: &Path) -> String {
    path.strip_prefix(repository::root())
        .unwrap_or(path)
        .display()
        .to_string()
}
