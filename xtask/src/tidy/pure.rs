//! Code that must be the same on every run: no tasks, no I/O, no clock, no chance but what is
//! passed in.

use super::Finding;
use super::house::House;
use super::source::Source;

/// What neither the decision nor a state machine may say, and what to say instead.
const EFFECTS: &[(&str, &str)] = &[
    (
        "tokio",
        "return what is to be done; the shell around it does it",
    ),
    (
        "async",
        "return what is to be done; the shell around it does it",
    ),
    (
        "await",
        "return what is to be done; the shell around it does it",
    ),
    ("Instant::now", "take `now` as a parameter"),
    ("SystemTime::now", "take `now` as a parameter"),
    ("elapsed()", "take `now` as a parameter and subtract"),
    (
        "std::thread",
        "return what is to be done; the shell around it does it",
    ),
    (
        "std::net",
        "return what is to be sent; the shell around it sends it",
    ),
    ("std::fs", "take the text as a parameter"),
    ("std::env", "take the value as a parameter"),
    (
        "tracing",
        "return what is worth telling; the shell around it logs it",
    ),
    ("rand::rng", "take the random source as a parameter"),
    ("thread_rng", "take the random source as a parameter"),
];

/// Maps whose order changes from run to run.
const UNORDERED: &[(&str, &str)] = &[
    (
        "HashMap",
        "use BTreeMap, whose order is the same on every run",
    ),
    (
        "HashSet",
        "use BTreeSet, whose order is the same on every run",
    ),
];

/// The state machines of the fleet's protocol and of rollouts.
const STATE_MACHINES: &[&str] = &[
    "edge-agent/src/fleet/session.rs",
    "cloud-gateway/src/fleet/session.rs",
    "cloud-gateway/src/rollout.rs",
];

/// The decision is a function of its facts.
pub(crate) fn policy(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in house.product("router-policy") {
        refuse(source, EFFECTS, &mut findings);
        refuse(source, UNORDERED, &mut findings);
    }
    findings
}

/// Messages and time in, messages and deadlines out.
pub(crate) fn state_machines(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in STATE_MACHINES {
        let folder = format!("{}/", path.trim_end_matches(".rs"));
        let inside = |source: &&Source| source.path == *path || source.path.starts_with(&folder);
        for source in house
            .sources
            .iter()
            .filter(inside)
            .filter(|source| source.is_product())
        {
            refuse(source, EFFECTS, &mut findings);
        }
    }
    findings
}

fn refuse(source: &Source, phrases: &[(&str, &str)], findings: &mut Vec<Finding>) {
    for &(phrase, instead) in phrases {
        for at in source.says(phrase) {
            let what = format!("`{phrase}` in code that must be the same on every run");
            findings.push(Finding::new(&source.path, source.line(at), what, instead));
        }
    }
}
