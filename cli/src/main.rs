//! `tideline`: the operators' command line. One file for each verb; of gateways and agents it knows what
//! their interfaces tell and nothing more.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]

mod client;
mod config;
mod decode;
mod devices;
mod explain;
mod model;
mod outcomes;
mod policy;
mod print;
mod progress;
mod route;
mod served;
mod time;

use std::process::ExitCode;

use clap::Parser as _;

use crate::client::{Failure, Gateway};
use crate::config::{Cli, Verb};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Every HTTP client that is made asks for it; another one cannot be in place yet.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
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
        Verb::Route(options) => route::run(options, output).await,
        Verb::Served => served::run(&mut connect()?, output).await,
        Verb::Model(options) => model::run(options, output).await,
        Verb::Policy(verb) => policy::run(verb, connect, output).await,
    }
}
