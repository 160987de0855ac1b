//! `tideline route`: asks the agent on this laptop where a request would run. Nothing is executed.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::client::Failure;
use crate::config::agent_state_dir;
use crate::print::{Format, plain, structured};

/// How long the agent may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest conversation, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// What would be asked.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The text; `-` reads it from standard input.
    #[arg(required_unless_present = "conversation")]
    text: Option<String>,
    /// A whole conversation: a JSON file with OpenAI's `messages`.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    conversation: Option<PathBuf>,
    /// The model; `auto` lets the agent choose.
    #[arg(long, value_name = "NAME", default_value = "auto")]
    model: String,
    /// The wish: only-on-device, prefer-on-device, prefer-in-cloud, only-in-cloud.
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// The app that would ask.
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// The agent's state directory.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub(crate) async fn run(options: Options, format: Format) -> Result<(), Failure> {
    let state = options.state_dir.clone().or_else(agent_state_dir);
    let state = state.ok_or_else(|| {
        Failure::Usage(
            "where the agent keeps its state is not known: name it with --state-dir".into(),
        )
    })?;
    let addresses: Value = serde_json::from_str(&read(&state.join("addresses.json"))?)
        .map_err(|_broken| Failure::Failed("the agent's addresses.json cannot be read".into()))?;
    let address = addresses["http"].as_str().unwrap_or_default();
    let token = addresses["token"].as_str().unwrap_or_default();
    let token = read(Path::new(token))?;

    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .build();
    let client = client.map_err(|error| Failure::Failed(error.to_string()))?;
    let mut request = client
        .post(format!("http://{address}/v1/route"))
        .bearer_auth(token.trim())
        .json(&body(&options)?);
    for (name, value) in [
        ("x-tideline-mode", &options.mode),
        ("x-tideline-app", &options.app),
    ] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.map_err(|error| {
        if error.is_connect() {
            Failure::Unreachable(format!(
                "the agent at {address} cannot be reached; is it running?"
            ))
        } else {
            Failure::Failed(format!("the agent did not answer: {error}"))
        }
    })?;
    let status = answer.status();
    let told: Value = answer
        .json()
        .await
        .map_err(|_broken| Failure::Failed(format!("the agent answered {status} without JSON")))?;
    if !status.is_success() {
        let message = told["error"]["message"]
            .as_str()
            .unwrap_or("no reason given");
        return Err(Failure::Failed(format!(
            "the agent refused: {}",
            plain(message)
        )));
    }
    if !structured(&told, format)? {
        for line in told["text"].as_str().unwrap_or_default().lines() {
            println!("{}", plain(line));
        }
    }
    Ok(())
}

fn body(options: &Options) -> Result<Value, Failure> {
    let model = &options.model;
    if let Some(path) = &options.conversation {
        let conversation: Value = serde_json::from_str(&read(path)?)
            .map_err(|error| Failure::Usage(format!("{} is not JSON: {error}", path.display())))?;
        let messages = if conversation.is_array() {
            conversation
        } else {
            conversation["messages"].clone()
        };
        return Ok(json!({ "model": model, "messages": messages }));
    }
    let text = match options.text.as_deref() {
        Some("-") => {
            let mut text = String::new();
            let mut input = std::io::stdin().lock().take(MAX_BYTES);
            input.read_to_string(&mut text).map_err(|error| {
                Failure::Usage(format!("could not read standard input: {error}"))
            })?;
            text
        }
        text => text.unwrap_or_default().to_owned(),
    };
    Ok(json!({ "model": model, "input": text }))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!(
            "could not read {}: {error}; is the agent running, and is this its state directory?",
            path.display()
        ))
    })
}
