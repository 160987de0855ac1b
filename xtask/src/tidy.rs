//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! It reads manifests and sources, and nothing else: it builds nothing and takes a fraction of a
//! second. Each rule is a function from the house to its findings, so that a test can show it a bad
//! sample; a finding names the place, the rule, and what to do.

mod arrows;
mod egress;
mod environment;
mod generated;
mod house;
mod manifests;
mod messages;
mod names;
mod pages;
pub(crate) mod protocol;
mod pure;
mod source;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::time::Instant;

use anyhow::{Result, bail};

pub(crate) use house::House;

/// One rule: what it is called, and how it is checked.
struct Rule {
    name: &'static str,
    check: fn(&House) -> Vec<Finding>,
}

/// Every rule, in the order of the architecture's page.
const RULES: &[Rule] = &[
    Rule {
        name: "arrows between crates",
        check: arrows::between_crates,
    },
    Rule {
        name: "a pure decision",
        check: pure::policy,
    },
    Rule {
        name: "only the runtime knows ONNX Runtime",
        check: arrows::onnx_runtime,
    },
    Rule {
        name: "no fleet in the inference API",
        check: generated::in_inference_api,
    },
    Rule {
        name: "generated types stay at the edges",
        check: generated::at_the_edges,
    },
    Rule {
        name: "encode what is sent, decode what is received",
        check: generated::one_way,
    },
    Rule {
        name: "state machines without I/O",
        check: pure::state_machines,
    },
    Rule {
        name: "content leaves in one place",
        check: egress::content_clients,
    },
    Rule {
        name: "a permit is given up",
        check: egress::permits_by_value,
    },
    Rule {
        name: "names of metrics and spans",
        check: names::in_telemetry,
    },
    Rule {
        name: "the environment is read in config.rs",
        check: environment::in_config,
    },
    Rule {
        name: "a page on every file",
        check: pages::first_line,
    },
    Rule {
        name: "no long files",
        check: pages::length,
    },
    Rule {
        name: "the workspace's lints",
        check: manifests::lints,
    },
    Rule {
        name: "style of error messages",
        check: messages::style,
    },
    Rule {
        name: "the protocol's page is fresh",
        check: protocol::fresh,
    },
    Rule {
        name: "words that stay out",
        check: words::absent,
    },
];

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
    instead: String,
}

impl Finding {
    /// What is wrong in which line (from 1) of a file, and what to do about it.
    fn new(path: &str, line: usize, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
            instead: instead.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}; {}",
            self.path, self.line, self.what, self.instead
        )
    }
}

/// Checks every rule and prints what it found.
///
/// # Errors
///
/// When a rule is broken, or the sources cannot be read.
pub(crate) fn run() -> Result<()> {
    let begun = Instant::now();
    let house = House::read()?;
    let findings = check(&house);
    for line in &findings {
        eprintln!("{line}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} places break a rule", findings.len());
    }
    println!(
        "tidy: {} rules hold in {} files ({:.2} s)",
        RULES.len(),
        house.sources.len(),
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// All findings of all rules, each on a line with the rule's name.
fn check(house: &House) -> Vec<String> {
    let of = |rule: &Rule| {
        let mut findings = (rule.check)(house);
        findings.sort();
        findings
            .into_iter()
            .map(|finding| format!("{finding} [{}]", rule.name))
            .collect::<Vec<_>>()
    };
    RULES.iter().flat_map(of).collect()
}
