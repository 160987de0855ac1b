//! How long it takes to decide, signals included: as every outcome tells that reached the gateway.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::load::EmbedLoad;
use super::{Figure, Turns};
use crate::program::Events;
use crate::repository;
use crate::tideline::{self, Agent, AgentSettings, Gateway, GatewaySettings, Price};

/// The length of the texts, in tokens.
pub(super) const LENGTH: u16 = 200;
/// How many decisions count.
const DECISIONS: usize = 300;
/// How long outcomes may be on their way.
const DELIVERY: Duration = Duration::from_secs(30);

/// Sends long texts through an agent with a policy and something to choose from.
pub(super) fn measure(turns: Turns, texts: &Path, events: &Events) -> Result<Vec<Figure>> {
    let folder = tideline::fresh_folder("bench/decisions")?;
    let minilm = repository::setup().join("models/minilm");
    let models = [(minilm, &[] as &[&str])];
    let price = Price {
        prompt: 0.02,
        answer: 0.02,
    };
    let offered: Vec<_> = models.iter().map(|model| (model.clone(), price)).collect();
    let settings = GatewaySettings {
        folder: &folder,
        models: &offered,
        policy: None,
        upstreams: "",
    };
    let gateway = Gateway::start(&settings, events)?;
    let policy = repository::root().join("deploy/demo/policy.yaml");
    let agent = Agent::start(
        &AgentSettings {
            folder: &folder,
            models: &models,
            policy: Some(&policy),
            gateway: Some(&gateway),
            by: None,
        },
        events,
    )?;
    agent.attached(events)?;

    EmbedLoad {
        texts,
        callers: 1,
        seconds: turns.seconds.max(5.0),
    }
    .turn(&agent)?;
    let mut taken = Vec::new();
    let limit = DECISIONS.to_string();
    let complete = || {
        let outcomes = gateway
            .says(&["outcomes", "list", "--limit", &limit])
            .unwrap_or_default();
        let seconds = outcomes
            .iter()
            .filter_map(|it| it["actual"]["decisionSeconds"].as_f64());
        taken = seconds.collect();
        taken.len() == DECISIONS
    };
    events.until("the delivery of the outcomes", DELIVERY, complete)?;
    taken.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (DECISIONS * percent).div_ceil(100).saturating_sub(1);
        taken
            .get(rank)
            .map(|seconds| seconds * 1e6)
            .context("no decision was measured")
    };
    let (p50, p99) = (at(50)?, at(99)?);
    println!("  decision, signals included, {LENGTH} tokens   p50 {p50:.0} µs   p99 {p99:.0} µs");
    agent.program.stop(events)?;
    gateway.program.stop(events)?;
    Ok(vec![
        Figure {
            name: "embed.decision_p50_us",
            value: p50,
            unit: "us",
        },
        Figure {
            name: "embed.decision_p99_us",
            value: p99,
            unit: "us",
        },
    ])
}
