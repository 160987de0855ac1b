//! `tideline policy prove`: what must not travel does not, for all facts or with an example.

use router_policy::{Boundary, Facts, Policy, Proof};
use serde_json::json;

use crate::client::Failure;
use crate::print::{Format, structured};

pub(super) fn run(
    policy: &Policy,
    given: &str,
    boundary: Boundary,
    format: Format,
) -> Result<(), Failure> {
    let proof = policy.prove(given, boundary).map_err(|wrong| {
        eprint!("{wrong}");
        Failure::Usage("the condition cannot be read".into())
    })?;
    let (result, facts) = match &proof {
        Proof::Proved => ("proved", None),
        Proof::Refuted(facts) => ("refuted", Some(facts)),
        Proof::Unknown => ("unknown", None),
    };
    let told = json!({
        "policy": policy.name(), "policyHash": policy.hash(), "given": given,
        "boundary": boundary, "result": result, "facts": facts,
    });
    let structured = structured(&told, format)?;
    match proof {
        Proof::Proved => {
            if !structured {
                println!(
                    "proved: under {policy}, what satisfies\n  {given}\ntravels no further than {boundary}, whatever else is true"
                );
            }
            Ok(())
        }
        Proof::Refuted(facts) => {
            if !structured {
                println!(
                    "refuted: under {policy}, this satisfies\n  {given}\nand may travel beyond {boundary}:\n{}",
                    example(&facts)
                );
            }
            Err(Failure::Failed(format!(
                "it does not stay within {boundary}"
            )))
        }
        Proof::Unknown => Err(Failure::Failed(
            "it cannot be told: no proof was found, and no facts that break it".into(),
        )),
    }
}

/// The facts that are not as of a device that nothing is known of.
pub(super) fn example(facts: &Facts) -> String {
    let usual = json!(Facts::default());
    let mut lines = Vec::new();
    if let Some(groups) = json!(facts).as_object() {
        for (group, fields) in groups {
            for (name, value) in fields.as_object().into_iter().flatten() {
                if usual[group][name] != *value {
                    lines.push(format!("  {group}.{name} = {value}"));
                }
            }
        }
    }
    if lines.is_empty() {
        lines.push("  (any facts)".into());
    }
    lines.join("\n")
}
