//! Which crate may use which: the arrows of the architecture, and who may name ONNX Runtime.

use super::Finding;
use super::house::{Crate, House};

/// What each member may use of the workspace. Who is not listed may use anything.
const ARROWS: &[(&str, &[&str])] = &[
    ("tideline-proto", &[]),
    ("router-policy", &[]),
    ("model-runtime", &[]),
    ("inference-api", &["tideline-proto"]),
    (
        "placement",
        &["router-policy", "model-runtime", "inference-api"],
    ),
    ("edge-agent", BELOW_PROGRAMS),
    ("cloud-gateway", BELOW_PROGRAMS),
    ("tideline-cli", BELOW_PROGRAMS),
];

/// What programs stand on. They do not know each other: the command line speaks to both over their
/// interfaces.
const BELOW_PROGRAMS: &[&str] = &[
    "placement",
    "router-policy",
    "model-runtime",
    "inference-api",
    "tideline-proto",
];

/// What the decision must not bring along, however far down: I/O, time, chance, the wire.
const IMPURE: &[&str] = &[
    "tokio",
    "tonic",
    "prost",
    "axum",
    "hyper",
    "reqwest",
    "ort",
    "sqlx",
    "metrics",
    "opentelemetry",
    "tracing",
    "rand",
    "getrandom",
    "socket2",
    "mio",
];

/// What the decision itself may use.
const POLICY_USES: &[&str] = &[
    "cel",
    "indexmap",
    "regex",
    "rustc-hash",
    "saphyr-parser",
    "serde",
    "serde_json",
    "sha2",
    "smallvec",
    "strsim",
    "thiserror",
    "yaml_serde",
];

/// What the runtime and the API must not use beside the members above.
const FOREIGN: &[(&str, &[&str])] = &[
    ("model-runtime", &["tonic", "axum"]),
    ("placement", &["tonic", "axum", "sqlx"]),
];

/// A crate uses those below it, and none above or beside it; the decision stays pure.
pub(crate) fn between_crates(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    let members: Vec<_> = house
        .crates
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    for member in &house.crates {
        let mut refuse = |dependency: &str, instead: String| {
            let what = format!("{} must not use {dependency}", member.name);
            let line = member.line_of(house, dependency);
            findings.push(Finding::new(&member.manifest, line, what, instead));
        };
        if let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member.name) {
            let inside = member
                .uses
                .iter()
                .filter(|name| members.contains(&name.as_str()));
            for other in inside.filter(|name| !allowed.contains(&name.as_str())) {
                let allowed = if allowed.is_empty() {
                    "none".to_owned()
                } else {
                    allowed.join(", ")
                };
                refuse(other, format!("of the workspace it may use {allowed}"));
            }
        }
        for other in FOREIGN
            .iter()
            .filter(|(name, _)| *name == member.name)
            .flat_map(|it| it.1)
        {
            if member.uses.contains(*other) {
                refuse(
                    other,
                    "that belongs in inference-api or in a program".to_owned(),
                );
            }
        }
        if member.name == "router-policy" {
            policy(member, &members, refuse);
        }
    }
    findings
}

/// Only `model-runtime` names `ort`.
pub(crate) fn onnx_runtime(house: &House) -> Vec<Finding> {
    let named = |member: &&Crate| member.name != "model-runtime" && member.uses.contains("ort");
    let finding = |member: &Crate| {
        let line = member.line_of(house, "ort");
        let what = format!("{} must not use ort", member.name);
        Finding::new(
            &member.manifest,
            line,
            what,
            "ask model-runtime for what you need of it",
        )
    };
    house.crates.iter().filter(named).map(finding).collect()
}

/// The decision uses a short list, and nothing that could look around.
fn policy(member: &Crate, members: &[&str], mut refuse: impl FnMut(&str, String)) {
    for other in &member.uses {
        if !members.contains(&other.as_str()) && !POLICY_USES.contains(&other.as_str()) {
            refuse(
                other,
                format!("the decision may use {}", POLICY_USES.join(", ")),
            );
        }
    }
    for other in IMPURE {
        if member.reaches.contains(*other) {
            refuse(
                other,
                "the decision does no I/O: `cargo tree -i` says who brings it".to_owned(),
            );
        }
    }
}
