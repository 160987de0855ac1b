//! `tideline`: the operators' command line. One file for each verb; it knows what the gateway's API
//! tells and nothing more.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]

mod client;
mod decode;
mod devices;
mod explain;
mod outcomes;
mod policy;
mod print;
mod served;
mod time;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::client::{Failure, Gateway};
use crate::print::Format;

/// Asks a Tideline gateway about its fleet, and checks policies.
#[derive(Debug, Parser)]
#[command(name = "tideline", version, about, arg_required_else_help = true, after_long_help = LESSON)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// The gateway to ask, over gRPC.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TIDELINE_GATEWAY",
        default_value = "http://127.0.0.1:7080"
    )]
    gateway: String,
    /// The file with the operators' token: `admin.token` in the gateway's state directory.
    #[arg(long, global = true, value_name = "FILE", env = "TIDELINE_TOKEN_FILE")]
    token_file: Option<std::path::PathBuf>,
    /// How to print what is found.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
}

const LESSON: &str = "\
Try it:
  tideline devices list --token-file ~/.local/state/tideline-gateway/admin.token
  tideline outcomes list --limit 20
  tideline explain 01J9Z6Q4Y7M2T8   (the id in every answer's x-tideline-decision-id)
  tideline policy check acme.yaml

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 the gateway cannot be reached.";

/// What can be asked.
#[derive(Debug, Subcommand)]
enum Verb {
    /// The laptops that are or were attached.
    #[command(subcommand)]
    Devices(devices::Verb),
    /// What became of requests.
    #[command(subcommand)]
    Outcomes(outcomes::Verb),
    /// Why one request ran where it did, and what came of it.
    Explain(explain::Options),
    /// What the gateway itself ran since it started, and for how far a boundary.
    Served,
    /// Policies, without a gateway.
    #[command(subcommand)]
    Policy(policy::Verb),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tideline: {failure}");
            failure.exit_code()
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli {
        verb,
        gateway,
        token_file,
        output,
    } = cli;
    let connect = || Gateway::connect(&gateway, token_file.as_deref());
    match verb {
        Verb::Devices(verb) => devices::run(verb, &mut connect()?, output).await,
        Verb::Outcomes(verb) => outcomes::run(verb, &mut connect()?, output).await,
        Verb::Explain(options) => explain::run(options, &mut connect()?, output).await,
        Verb::Served => served::run(&mut connect()?, output).await,
        Verb::Policy(verb) => policy::run(verb),
    }
}
