//! `tideline devices`: the laptops that are or were attached.

use clap::Subcommand;
use serde_json::Value;

use crate::client::{Failure, Gateway};
use crate::decode;
use crate::print::{Format, structured, table};

/// What can be asked of devices.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// All of them, a line each.
    List,
    /// One, with its hardware, its models, what serves them and why.
    Show {
        /// Its id.
        id: String,
    },
}

pub(crate) async fn run(verb: Verb, gateway: &mut Gateway, format: Format) -> Result<(), Failure> {
    match verb {
        Verb::List => {
            let devices: Vec<Value> = gateway
                .devices()
                .await?
                .iter()
                .map(decode::device)
                .collect();
            if !structured(&Value::from(devices.clone()), format)? {
                table(
                    &[
                        "ID",
                        "STATE",
                        "HOST",
                        "CLASS",
                        "MODELS",
                        "RTT",
                        "OUTCOMES",
                        "LAST SEEN",
                    ],
                    &devices.iter().map(row).collect::<Vec<_>>(),
                );
            }
        }
        Verb::Show { id } => {
            let device = decode::device(&gateway.device(id).await?);
            if !structured(&device, format)? {
                show(&device);
            }
        }
    }
    Ok(())
}

fn row(device: &Value) -> Vec<String> {
    let state = &device["state"];
    let models = state["models"].as_array().into_iter().flatten();
    let names: std::collections::BTreeSet<_> = models.map(|model| text(&model["name"])).collect();
    vec![
        text(&device["id"]),
        if device["connected"] == true {
            "attached"
        } else {
            "away"
        }
        .to_owned(),
        text(&state["hostname"]),
        text(&state["deviceClass"]),
        names.into_iter().collect::<Vec<_>>().join(","),
        device["rttSeconds"]
            .as_f64()
            .map_or_else(|| "-".into(), |rtt| format!("{:.1} ms", rtt * 1e3)),
        text(&device["outcomes"]),
        text(&device["lastSeen"]),
    ]
}

fn show(device: &Value) {
    let state = &device["state"];
    let line = |name: &str, value: String| println!("{name:<16} {value}");
    line("id", text(&device["id"]));
    line("attached", text(&device["connected"]));
    line("first seen", text(&device["firstSeen"]));
    line("last seen", text(&device["lastSeen"]));
    line("agent", text(&device["agentVersion"]));
    line(
        "host",
        format!(
            "{}, {} {}",
            text(&state["hostname"]),
            text(&state["os"]),
            text(&state["arch"])
        ),
    );
    line(
        "processor",
        format!(
            "{}, {} cores, {} MiB",
            text(&state["cpu"]),
            text(&state["logicalCores"]),
            text(&state["memoryMib"])
        ),
    );
    line("class", text(&state["deviceClass"]));
    line(
        "ONNX Runtime",
        format!(
            "{} {}",
            text(&state["runtime"]["version"]),
            text(&state["runtime"]["path"])
        ),
    );
    line(
        "outcomes",
        format!(
            "{}, {} dropped",
            text(&device["outcomes"]),
            text(&device["outcomesDropped"])
        ),
    );
    println!();
    let mut rows = Vec::new();
    for model in state["models"].as_array().into_iter().flatten() {
        for variant in model["variants"].as_array().into_iter().flatten() {
            rows.push(vec![
                text(&model["name"]),
                text(&variant["name"]),
                text(&variant["providerWanted"]),
                text(&variant["providerServing"]),
                text(&variant["providerReason"]),
            ]);
        }
    }
    table(&["MODEL", "VARIANT", "WANTED", "SERVING", "WHY"], &rows);
}

/// A value as people read it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Bool(value) => if *value { "yes" } else { "no" }.into(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
