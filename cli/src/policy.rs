//! `tideline policy`: what can be said of a policy without a gateway.

use std::path::PathBuf;

use clap::Subcommand;
use router_policy::Policy;

use crate::client::Failure;

/// What can be asked of policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say whether these policies are sound, and everything that is wrong with them.
    Check {
        /// Their files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

pub(crate) fn run(verb: Verb) -> Result<(), Failure> {
    let Verb::Check { files } = verb;
    let mut wrong = 0;
    for path in &files {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Usage(format!("could not read {name}: {error}")))?;
        match Policy::compile(&name, &text) {
            Ok(policy) => println!(
                "{name}: {} is sound, {} rules, {}",
                policy.name(),
                policy.rule_count(),
                policy.hash()
            ),
            Err(diagnostics) => {
                wrong += 1;
                eprint!("{diagnostics}");
            }
        }
    }
    if wrong == 0 {
        Ok(())
    } else {
        Err(Failure::Failed(format!(
            "{wrong} of {} policies cannot be used",
            files.len()
        )))
    }
}
