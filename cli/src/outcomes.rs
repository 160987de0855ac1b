//! `tideline outcomes`: what became of requests.

use clap::Subcommand;
use serde_json::Value;

use crate::client::{Failure, Gateway};
use crate::decode;
use crate::devices::text;
use crate::print::{Format, structured, table};

/// What can be asked of outcomes.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The newest first, a line each.
    List {
        /// Of this device alone.
        #[arg(long, value_name = "ID", default_value = "")]
        device: String,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
}

pub(crate) async fn run(verb: Verb, gateway: &mut Gateway, format: Format) -> Result<(), Failure> {
    let Verb::List { device, limit } = verb;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let outcomes: Vec<Value> = gateway
        .outcomes(device, limit)
        .await?
        .iter()
        .map(decode::outcome)
        .collect();
    if !structured(&Value::from(outcomes.clone()), format)? {
        table(
            &[
                "DECISION",
                "ENDING",
                "PLACED",
                "TOKENS",
                "PREDICTED",
                "ACTUAL",
                "COST",
                "REASON",
            ],
            &outcomes.iter().map(row).collect::<Vec<_>>(),
        );
    }
    Ok(())
}

fn row(outcome: &Value) -> Vec<String> {
    let decision = &outcome["decision"];
    let chosen = chosen(decision);
    let milliseconds = |value: &Value| {
        value
            .as_f64()
            .map_or_else(|| "-".into(), |seconds| format!("{:.1} ms", seconds * 1e3))
    };
    vec![
        text(&decision["id"]),
        text(&outcome["ending"]),
        text(&chosen["placement"]),
        text(&outcome["actual"]["promptTokens"]),
        milliseconds(&chosen["predicted"]["latencySeconds"]),
        milliseconds(&outcome["actual"]["latencySeconds"]),
        outcome["actual"]["costUsd"]
            .as_f64()
            .map_or_else(|| "-".into(), |cost| format!("${cost:.8}")),
        text(&decision["reason"]),
    ]
}

/// The chosen row of a decision's table; null when nothing was.
pub(crate) fn chosen(decision: &Value) -> &Value {
    let index = decision["chosen"]
        .as_u64()
        .and_then(|index| usize::try_from(index).ok());
    index.map_or(&Value::Null, |index| &decision["table"][index])
}
