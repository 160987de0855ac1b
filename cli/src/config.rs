//! The command line, and the environment as clap reads it.

mod model;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use self::model::{ModelOptions, ModelVerb, PullOptions};
use crate::print::Format;
use crate::{devices, explain, outcomes, policy, route};

/// Asks a Tideline gateway about its fleet, checks policies, and keeps this laptop's models.
#[derive(Debug, Parser)]
#[command(name = "tideline", version, about, arg_required_else_help = true, after_long_help = LESSON)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// The gateway to ask, over gRPC.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TIDELINE_GATEWAY",
        default_value = "http://127.0.0.1:7080"
    )]
    pub(crate) gateway: String,
    /// The file with the operators' token: `admin.token` in the gateway's state directory.
    #[arg(long, global = true, value_name = "FILE", env = "TIDELINE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How to print what is found.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

const LESSON: &str = "\
Try it:
  tideline devices list --token-file ~/.local/state/tideline-gateway/admin.token
  tideline outcomes list --limit 20
  tideline explain 01J9Z6Q4Y7M2T8   (the id in every answer's x-tideline-decision-id)
  tideline route 'what would become of this text'
  tideline policy check acme.yaml
  tideline policy test policies/
  tideline policy prove acme.yaml --given 'request.tokens > 100' --boundary device
  tideline model import ./phi-4-mini
  tideline model pull hf:sentence-transformers/all-MiniLM-L6-v2

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 the gateway or the hub cannot be
reached.";

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The laptops that are or were attached.
    #[command(subcommand)]
    Devices(devices::Verb),
    /// What became of requests.
    #[command(subcommand)]
    Outcomes(outcomes::Verb),
    /// Why one request ran where it did, and what came of it.
    Explain(explain::Options),
    /// Where a text or a conversation would run, and why; nothing is executed.
    Route(route::Options),
    /// What the gateway itself ran since it started, and for how far a boundary.
    Served,
    /// Policies: check, test, explain, compare, prove, replay.
    #[command(subcommand)]
    Policy(policy::Verb),
    /// The models of this laptop: import, pull, list, show, rm.
    Model(ModelOptions),
}

/// Whether colours are not wanted: <https://no-color.org>.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Where this user's agent keeps its state: `$XDG_STATE_HOME/tideline`.
pub(crate) fn agent_state_dir() -> Option<PathBuf> {
    let home = dir("XDG_STATE_HOME").or_else(|| Some(dir("HOME")?.join(".local/state")))?;
    Some(home.join("tideline"))
}

fn dir(variable: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment is read"
    )]
    let value = std::env::var_os(variable)?;
    Some(PathBuf::from(value)).filter(|path| path.is_absolute())
}
