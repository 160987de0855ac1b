//! `tideline explain`: one decision, told to a person.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::client::{Failure, Gateway};
use crate::decode;
use crate::devices::text;
use crate::outcomes::chosen;
use crate::policy::{Others, others, recorded};
use crate::print::{Format, structured, table};

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The id in an answer's `x-tideline-decision-id`.
    decision_id: String,
    /// The policy that decided, where the gateway has another: what would have had to be different
    /// is told under it.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    policy: Vec<PathBuf>,
}

pub(crate) async fn run(
    options: Options,
    gateway: &mut Gateway,
    format: Format,
) -> Result<(), Failure> {
    let record = gateway.decision(options.decision_id).await?;
    let others = others(recorded(&record), &options.policy, gateway).await?;
    let mut outcome = decode::outcome(&record);
    outcome["counterfactuals"] = match &others {
        Others::Told(others) => others.clone().into(),
        Others::Unknown(_) => Value::Null,
    };
    if let Others::Unknown(why) = &others {
        eprintln!("note: what would have had to be different is not known: {why}");
    }
    if !structured(&outcome, format)? {
        tell(&outcome);
        differently(&others);
    }
    Ok(())
}

fn differently(others: &Others) {
    println!();
    match others {
        Others::Told(others) if others.is_empty() => {
            println!("no small change would have had it run elsewhere");
        }
        Others::Told(others) => others.iter().for_each(|other| println!("{other}")),
        Others::Unknown(_) => {}
    }
}

fn tell(outcome: &Value) {
    let decision = &outcome["decision"];
    let request = &decision["facts"]["request"];
    println!("{}", text(&decision["reason"]));
    println!();
    let line = |name: &str, value: String| println!("{name:<10} {value}");
    line(
        "decision",
        format!(
            "{} on {}, {}",
            text(&decision["id"]),
            text(&outcome["deviceId"]),
            text(&outcome["startedAt"])
        ),
    );
    let labels = list(&request["labels"]);
    line(
        "request",
        format!(
            "{} of {} tokens for model {}, from {}; sensitive data: {}",
            text(&request["task"]),
            text(&request["tokens"]),
            text(&request["model"]),
            if request["app"] == "" {
                "an app that did not say".into()
            } else {
                format!("app {}", text(&request["app"]))
            },
            if labels.is_empty() {
                "none found".into()
            } else {
                labels
            }
        ),
    );
    line("mode", text(&decision["mode"]));
    line("boundary", text(&decision["boundary"]));
    line(
        "policy",
        format!(
            "{} ({:.12})",
            text(&decision["policyName"]),
            text(&decision["policyHash"])
        ),
    );
    for rule in decision["matched"].as_array().into_iter().flatten() {
        line(
            "rule",
            format!(
                "{}: {}, since {}",
                text(&rule["name"]),
                list(&rule["effects"]),
                text(&rule["because"])
            ),
        );
    }
    println!();
    candidates(decision);
    println!();
    compare(outcome);
}

fn candidates(decision: &Value) {
    let picked = decision["chosen"].as_u64();
    let mut rows = Vec::new();
    for (index, row) in (0_u64..).zip(decision["table"].as_array().into_iter().flatten()) {
        let predicted = &row["predicted"];
        let score = &row["score"];
        let verdict = match score["totalUsd"].as_f64() {
            Some(total) => format!("{total:.8}"),
            None => format!(
                "refused by {}: {}",
                text(&row["refused"]["by"]),
                text(&row["refused"]["why"])
            ),
        };
        rows.push(vec![
            if picked == Some(index) { ">" } else { "" }.to_owned(),
            text(&row["placement"]),
            text(&row["site"]),
            format!("{} {}", text(&row["model"]), text(&row["variant"])),
            text(&row["provider"]),
            milliseconds(&predicted["latencySeconds"]),
            dollars(&predicted["costUsd"]),
            verdict,
        ]);
    }
    table(
        &[
            "",
            "PLACED",
            "SITE",
            "MODEL",
            "PROVIDER",
            "LATENCY",
            "COST",
            "WORTH IN USD",
        ],
        &rows,
    );
}

fn compare(outcome: &Value) {
    let predicted = &chosen(&outcome["decision"])["predicted"];
    let actual = &outcome["actual"];
    let rows = [
        (
            "latency",
            milliseconds(&predicted["latencySeconds"]),
            milliseconds(&actual["latencySeconds"]),
        ),
        (
            "cost",
            dollars(&predicted["costUsd"]),
            dollars(&actual["costUsd"]),
        ),
        (
            "energy",
            energy(&predicted["energyWattHours"]),
            energy(&actual["energyWattHours"]),
        ),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(what, predicted, actual)| vec![what.to_owned(), predicted, actual])
        .collect();
    table(&["", "PREDICTED", "ACTUAL"], &rows);
    let journey = journey(actual);
    if !journey.is_empty() {
        println!("\n{}", journey.join("; "));
    }
    let failed = if outcome["errorClass"] == "" {
        String::new()
    } else {
        format!(" ({})", text(&outcome["errorClass"]))
    };
    println!(
        "\n{}{failed}; decided in {} µs",
        text(&outcome["ending"]),
        microseconds(&actual["decisionSeconds"])
    );
}

/// What happened to an answer on its way, beyond what was expected of it.
fn journey(actual: &Value) -> Vec<String> {
    let mut told = Vec::new();
    let tokens = actual["completionTokens"].as_u64().unwrap_or(0);
    if tokens > 0 {
        let first = milliseconds(&actual["firstTokenSeconds"]);
        told.push(format!(
            "{tokens} tokens were generated, the first after {first}"
        ));
    }
    let sure = actual["confidence"].as_f64();
    match (sure, actual["hasEscalated"] == true) {
        (Some(sure), true) => told.push(format!(
            "the device was {sure:.2} sure, so the answer came from elsewhere"
        )),
        (Some(sure), false) => {
            told.push(format!("the device was {sure:.2} sure, which was enough"))
        }
        (None, true) => told.push("the device gave no answer to weigh".to_owned()),
        (None, false) => {}
    }
    match actual["continuations"].as_u64() {
        Some(0) | None => {}
        Some(1) => told.push("the answer broke and went on elsewhere".to_owned()),
        Some(times) => told.push(format!(
            "the answer broke and went on elsewhere {times} times"
        )),
    }
    told
}

fn list(value: &Value) -> String {
    let values: Vec<_> = value.as_array().into_iter().flatten().map(text).collect();
    values.join(", ")
}

fn milliseconds(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".into(), |seconds| format!("{:.2} ms", seconds * 1e3))
}

fn microseconds(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".into(), |seconds| format!("{:.0}", seconds * 1e6))
}

fn dollars(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "unknown".into(), |cost| format!("${cost:.8}"))
}

fn energy(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".into(), |energy| format!("{:.3} mWh", energy * 1e3))
}
