//! `tideline policy`: policies written, tried and compared, without a gateway but for replay.

mod compare;
mod decode;
mod files;
mod others;
mod prove;
mod replay;
mod service;
mod suite;
mod tell;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use router_policy::{Policy, Source};

pub(crate) use self::decode::recorded;
use self::files::Files;
pub(crate) use self::others::{Others, others};
use crate::client::{Failure, Gateway};
use crate::print::Format;

/// What can be asked of policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say whether these policies are sound, and everything that is wrong or hardly meant.
    Check {
        /// Their files, or folders of them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The policy or set that decides, where there are several.
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// Fail on warnings too.
        #[arg(long)]
        strict: bool,
    },
    /// Run the PolicyTest documents in these files.
    Test {
        /// The files of policies and tests, or folders of them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Write the results as JUnit XML, for CI.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Decide one request that is written down, and tell why.
    Explain {
        #[command(flatten)]
        which: Which,
        /// The request: `facts`, and where they matter `mode`, `boundary` and `candidates`.
        #[arg(long, value_name = "FILE")]
        facts: PathBuf,
    },
    /// Say what changed in meaning from one policy to another.
    Diff {
        /// The old one.
        old: PathBuf,
        /// The new one.
        new: PathBuf,
    },
    /// Prove that content stays within a boundary whenever a condition holds, or show how it does not.
    Prove {
        #[command(flatten)]
        which: Which,
        /// The condition in CEL, such as 'request.labels.exists(l, l.startsWith("pii."))'.
        #[arg(long, value_name = "CEL", default_value = "true")]
        given: String,
        /// How far it may travel at most: device, private or cloud.
        #[arg(long, value_name = "BOUNDARY")]
        boundary: router_policy::Boundary,
    },
    /// Decide recorded requests again under another policy, and say what would change.
    Replay(replay::Options),
    /// Print the JSON Schema of policy documents, for editors.
    Schema,
    /// Serve a policy as a plug-in: tideline.policy.v1.PolicyService over gRPC.
    Serve {
        #[command(flatten)]
        which: Which,
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7090")]
        listen: SocketAddr,
    },
}

/// Which policy.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Its files, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The policy or set that decides, where there are several.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
}

impl Which {
    fn load(&self) -> Result<Policy, Failure> {
        load(&Files::read(&self.files)?, self.policy.as_deref())
    }
}

/// `connect` is called only by what asks a gateway.
pub(crate) async fn run(
    verb: Verb,
    connect: impl FnOnce() -> Result<Gateway, Failure>,
    format: Format,
) -> Result<(), Failure> {
    match verb {
        Verb::Check {
            files,
            policy,
            strict,
        } => check(&Files::read(&files)?, policy.as_deref(), strict),
        Verb::Test { files, junit } => suite::run(&Files::read(&files)?, junit.as_deref(), format),
        Verb::Explain { which, facts } => tell::explain(&which.load()?, &facts, format),
        Verb::Diff { old, new } => {
            let old = load(&Files::read(&[old])?, None)?;
            let new = load(&Files::read(&[new])?, None)?;
            compare::run(&old, &new, format)
        }
        Verb::Prove {
            which,
            given,
            boundary,
        } => prove::run(&which.load()?, &given, boundary, format),
        Verb::Replay(options) => replay::run(options, &mut connect()?, format).await,
        Verb::Schema => {
            println!("{:#}", router_policy::schema());
            Ok(())
        }
        Verb::Serve { which, listen } => service::run(which.load()?, listen).await,
    }
}

fn load(files: &Files, policy: Option<&str>) -> Result<Policy, Failure> {
    Policy::load(&files.sources(), policy).map_err(|wrong| {
        eprint!("{wrong}");
        Failure::Failed("the policy cannot be used".into())
    })
}

/// Files are taken together, so that sets find what they include; where each stands alone it is
/// looked at alone.
fn check(files: &Files, policy: Option<&str>, strict: bool) -> Result<(), Failure> {
    let sources = files.sources();
    let groups: Vec<Vec<Source<'_>>> = if policy.is_some() || files.belong_together() {
        vec![sources]
    } else {
        sources.into_iter().map(|source| vec![source]).collect()
    };
    let (mut wrong, mut warned) = (0, 0);
    for group in &groups {
        let names: Vec<&str> = group.iter().map(|source| source.name).collect();
        let (policy, found) = router_policy::review(group, policy);
        eprint!("{found}");
        warned += usize::from(!found.list().is_empty());
        match policy {
            Some(policy) => println!(
                "{}: {} is sound, {} rules, {}",
                names.join(", "),
                policy.name(),
                policy.rule_count(),
                policy.hash()
            ),
            None => wrong += 1,
        }
    }
    if wrong > 0 {
        let of = groups.len();
        return Err(Failure::Failed(format!(
            "{wrong} of {of} policies cannot be used"
        )));
    }
    if strict && warned > 0 {
        return Err(Failure::Failed("there are warnings".into()));
    }
    Ok(())
}
