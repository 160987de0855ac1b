//! The load that benchmarks put on Tideline and on its peers, and the barest peers of all.
//!
//! Whoever is measured is measured with this one program: closed loops of callers, each waiting for
//! its answer before it asks again. It prints one line of JSON and judges nothing.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the result goes to standard output, and what is wrong to standard error"
)]

mod chat;
mod echo;
mod embed;
mod http;
mod infer;
mod load;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use crate::http::Caller;

#[derive(Debug, Parser)]
#[command(about = "Load generators, and bare servers to compare with")]
enum Verb {
    /// Call an OpenAI embeddings API over HTTP/1.1
    Embed {
        /// Where it is
        #[arg(long)]
        server: SocketAddr,
        /// The file with the bearer token
        #[arg(long)]
        token_file: PathBuf,
        /// The model to ask for
        #[arg(long)]
        model: String,
        /// A JSON list of texts, taken in turn
        #[arg(long)]
        texts: PathBuf,
        #[command(flatten)]
        load: Load,
    },
    /// Call the Open Inference Protocol over gRPC, with one tensor of 32-bit floats
    Infer {
        /// Where it is
        #[arg(long)]
        server: SocketAddr,
        /// The file with the bearer token, where one is wanted
        #[arg(long)]
        token_file: Option<PathBuf>,
        /// The model to ask for
        #[arg(long)]
        model: String,
        /// The name of its input
        #[arg(long)]
        input: String,
        /// How many numbers the tensor holds
        #[arg(long)]
        elements: u16,
        /// How many connections the callers share
        #[arg(long, default_value_t = 1)]
        connections: u16,
        #[command(flatten)]
        load: Load,
    },
    /// Call OpenAI's chat completions over HTTP/1.1, of a service that answers as `upstream` does
    Chat {
        #[command(flatten)]
        target: chat::Target,
        #[command(flatten)]
        load: Load,
    },
    /// Begin answers, and hold them until standard input ends
    Hold {
        #[command(flatten)]
        target: chat::Target,
        /// How many
        #[arg(long)]
        streams: u16,
    },
    /// Serve OpenAI's chat completions with nothing behind them: always the same answer
    Upstream {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Serve the Open Inference Protocol with nothing behind it: what goes in comes out
    Echo {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
}

/// How much load, and for how long.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Load {
    /// How many callers ask at once
    #[arg(long)]
    callers: u16,
    /// How long they go on, after a tenth of that to warm up
    #[arg(long, value_parser = seconds)]
    seconds: Duration,
}

fn main() -> ExitCode {
    match run(Verb::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    // One thread for whoever calls: the rest of the machine is for whoever is called.
    let threads = if matches!(verb, Verb::Echo { .. }) {
        2
    } else {
        1
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        let report = match verb {
            Verb::Embed {
                server,
                token_file,
                model,
                texts,
                load,
            } => {
                let requests = embed::requests(server, &token_file, &model, &texts)?;
                let connect = async |caller: u16| {
                    Caller::connect(server, requests.clone(), usize::from(caller), |_| true).await
                };
                load::run(load.callers, load.seconds, connect).await?
            }
            Verb::Infer {
                server,
                token_file,
                model,
                input,
                elements,
                connections,
                load,
            } => {
                let request = infer::request(model, input, elements);
                let token = token_file.as_deref().map(http::bearer).transpose()?;
                let channels = infer::connect(server, connections.max(1)).await?;
                let connect = async |caller: u16| {
                    let channel = &channels[usize::from(caller) % channels.len()];
                    infer::Caller::new(channel.clone(), token.as_deref(), request.clone())
                };
                load::run(load.callers, load.seconds, connect).await?
            }
            Verb::Chat { target, load } => {
                let connect = async |_| target.connect().await;
                load::run(load.callers, load.seconds, connect).await?
            }
            Verb::Hold { target, streams } => return chat::hold(&target, streams).await,
            Verb::Upstream { listen } => return chat::serve(listen).await,
            Verb::Echo { listen } => return echo::serve(listen).await,
        };
        println!("{}", report.to_json());
        Ok(())
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parse = text.parse::<f64>();
    let parsed = parse.map_err(|error| format!("expected a number of seconds: {error}"))?;
    Duration::try_from_secs_f64(parsed).map_err(|error| error.to_string())
}
