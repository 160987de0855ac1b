//! `tideline policy explain`: one request that is written down, decided and told.

use std::path::Path;

use router_policy::{Decision, Policy, explain as told, read_request};
use serde_json::{Value, json};

use crate::client::Failure;
use crate::print::{Format, structured};

pub(super) fn explain(policy: &Policy, facts: &Path, format: Format) -> Result<(), Failure> {
    let name = facts.display().to_string();
    let text = std::fs::read_to_string(facts)
        .map_err(|error| Failure::Usage(format!("could not read {name}: {error}")))?;
    let record = read_request(&name, &text).map_err(|wrong| {
        eprint!("{wrong}");
        Failure::Failed("the request cannot be read".into())
    })?;
    let decision = policy.replay(&record);
    if !structured(&to_json(&decision), format)? {
        print!("{}", told(&decision));
    }
    Ok(())
}

/// The decision with what would have to be different.
fn to_json(decision: &Decision) -> Value {
    let others: Vec<Value> = decision
        .counterfactuals()
        .iter()
        .map(|other| {
            let changes: Vec<String> = other.changes.iter().map(ToString::to_string).collect();
            json!({ "candidate": other.candidate, "name": other.name, "if": changes })
        })
        .collect();
    let mut told = serde_json::to_value(decision).unwrap_or_default();
    told["counterfactuals"] = others.into();
    told
}
