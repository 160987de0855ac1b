//! `tideline-agent`, told from its start to its end.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use edge_agent::{
    Addresses, Agent, Cli, Command, Config, DoctorOptions, LogConfig, LogFormat, Output,
    RunOptions, doctor,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Run(options) => run(options),
        Command::Doctor(options) => examine(options),
    };
    ended.unwrap_or_else(|error| {
        // Where logging is not set up yet, nobody else could tell.
        writeln!(io::stderr(), "tideline-agent: {error:#}").ok();
        ExitCode::FAILURE
    })
}

fn run(options: RunOptions) -> anyhow::Result<ExitCode> {
    let config = Config::load(options.settings)?;
    if options.dump_config {
        write!(io::stdout(), "{}", serde_yaml::to_string(&config)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    log_to_stderr(&config.log)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let stop = stop_at_a_signal()?;
        let agent = Agent::build(config).await?.bind().await?;
        announce(agent.addresses());
        agent.serve(stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn announce(addresses: &Addresses) {
    tracing::info!("OpenAI API at http://{}/v1", addresses.http);
    tracing::info!(
        "Open Inference Protocol at http://{}/v2 and {} (gRPC)",
        addresses.http,
        addresses.grpc
    );
    if let Some(socket) = &addresses.socket {
        tracing::info!("the same over HTTP at the socket {}", socket.display());
    }
    tracing::info!("the token is in {}", addresses.token.display());
}

fn examine(options: DoctorOptions) -> anyhow::Result<ExitCode> {
    let config = Config::load(options.settings)?;
    let findings = tokio::runtime::Runtime::new()?.block_on(doctor::examine(config));
    match options.output {
        Output::Text => write!(io::stdout(), "{findings}")?,
        Output::Json => writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&findings)?)?,
    }
    Ok(if findings.is_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn log_to_stderr(log: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.filter)?;
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => logging.init(),
        LogFormat::Json => logging.json().init(),
    }
    Ok(())
}

/// Stops at the first signal; the second ends the process where it stands.
fn stop_at_a_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping; once more stops at once");
        stopped.cancel();
        signals.next().await;
        std::process::exit(130);
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        tokio::signal::ctrl_c().await.ok();
    }
}
