//! `tideline-gateway`, told from its start to its end.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use cloud_gateway::{Addresses, Cli, Command, Config, Gateway, LogConfig, LogFormat, RunOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let Command::Run(options) = Cli::parse().command;
    run(options).unwrap_or_else(|error| {
        // Where logging is not set up yet, nobody else could tell.
        writeln!(io::stderr(), "tideline-gateway: {error:#}").ok();
        ExitCode::FAILURE
    })
}

fn run(options: RunOptions) -> anyhow::Result<ExitCode> {
    let dump = options.dump_config;
    let config = Config::load(options)?;
    if dump {
        write!(io::stdout(), "{}", serde_yaml::to_string(&config)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    log_to_stderr(&config.log)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let stop = stop_at_a_signal()?;
        let gateway = Gateway::build(config).await?.bind().await?;
        announce(gateway.addresses());
        gateway.serve(stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn announce(addresses: &Addresses) {
    tracing::info!("agents and operators at http://{} (gRPC)", addresses.grpc);
    tracing::info!("OpenAI API at http://{}/v1", addresses.http);
    tracing::info!(
        "the operators' token is in {}",
        addresses.admin_token.display()
    );
    tracing::info!(
        "the agents' token is in {}",
        addresses.fleet_token.display()
    );
}

fn log_to_stderr(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let is_terminal = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(is_terminal);
    match config.format {
        Some(LogFormat::Text) => log.init(),
        None if is_terminal => log.init(),
        Some(LogFormat::Json) | None => log.json().init(),
    }
    Ok(())
}

/// Cancelled at the first signal to end; the second ends the process at once.
fn stop_at_a_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let mut told = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        told().await;
        tracing::info!("stopping: what is under way may finish; a second signal ends at once");
        stopped.cancel();
        told().await;
        std::process::exit(130);
    });
    Ok(stop)
}
