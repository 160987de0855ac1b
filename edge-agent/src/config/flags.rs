//! The command line, and the environment as clap reads it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{GatewayUrl, LogFormat, Loopback, ModelStore};

/// Tideline on this laptop: runs AI requests here or behind a gateway, as the policy allows.
#[derive(Debug, Parser)]
#[command(name = "tideline-agent", version, about, arg_required_else_help = true, after_long_help = LESSON)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const LESSON: &str = "\
Try it:
  tideline-agent run --model ./models/minilm
  curl http://127.0.0.1:7071/v1/embeddings \\
    -H \"Authorization: Bearer $(cat ~/.local/state/tideline/token)\" \\
    -H 'Content-Type: application/json' -d '{\"model\": \"minilm\", \"input\": \"hello\"}'

An OpenAI client needs base_url http://127.0.0.1:7071/v1 and the token as its API key.
A Triton or KServe client finds the Open Inference Protocol at 127.0.0.1:7072 (gRPC) and
at http://127.0.0.1:7071/v2 (REST).

Without --policy nothing leaves this laptop. Without --gateway there is nowhere to go.

Settings come from a YAML file (--config), then the environment (TIDELINE_AGENT_…), then flags;
the later wins. `tideline-agent run --dump-config` prints what is in force.
When something does not work, `tideline-agent doctor` says what and what to do.";

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve this machine's apps until stopped.
    Run(RunOptions),
    /// Say what works here, what does not, and what to do about it.
    Doctor(DoctorOptions),
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunOptions {
    #[command(flatten)]
    /// What is configured.
    pub settings: Settings,
    /// Print the configuration in force as YAML, and stop.
    #[arg(long)]
    pub dump_config: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    #[command(flatten)]
    /// What is configured.
    pub settings: Settings,
    /// How to print what was found.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Settings that flags and the environment can give. What is left out comes from the file.
#[derive(Clone, Debug, Default, Args)]
pub struct Settings {
    /// Read settings from this YAML file. Left out: `agent.yaml` in the user's configuration
    /// directory, when it is there.
    #[arg(long, value_name = "FILE", env = "TIDELINE_AGENT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Keep token, identity, measurements and waiting outcomes here.
    #[arg(long, value_name = "DIR", env = "TIDELINE_AGENT_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Serve OpenAI's API and the Open Inference Protocol's REST form here; port 0 is any free one.
    #[arg(long, value_name = "ADDR", env = "TIDELINE_AGENT_HTTP")]
    pub http: Option<Loopback>,
    /// Serve the Open Inference Protocol over gRPC here; port 0 is any free one.
    #[arg(long, value_name = "ADDR", env = "TIDELINE_AGENT_GRPC")]
    pub grpc: Option<Loopback>,
    /// Serve the HTTP API on this Unix socket too; it needs no token.
    #[arg(long, value_name = "PATH", env = "TIDELINE_AGENT_SOCKET")]
    pub socket: Option<PathBuf>,
    /// Load this model package; can be given more than once. Replaces the file's list.
    #[arg(
        long = "model",
        value_name = "DIR",
        env = "TIDELINE_AGENT_MODELS",
        value_delimiter = ','
    )]
    pub models: Vec<PathBuf>,
    /// Load what `tideline model import` put here too; `none` for nothing. Left out:
    /// `$XDG_DATA_HOME/tideline/models`.
    #[arg(long, value_name = "DIR", env = "TIDELINE_MODEL_STORE")]
    pub model_store: Option<ModelStore>,
    /// Decide by this policy.
    #[arg(long, value_name = "FILE", env = "TIDELINE_AGENT_POLICY")]
    pub policy: Option<PathBuf>,
    /// Attach to this gateway.
    #[arg(long, value_name = "URL", env = "TIDELINE_AGENT_GATEWAY")]
    pub gateway: Option<GatewayUrl>,
    /// Show the gateway the token in this file.
    #[arg(long, value_name = "FILE", env = "TIDELINE_AGENT_GATEWAY_TOKEN_FILE")]
    pub gateway_token_file: Option<PathBuf>,
    /// Let content travel in clear text to a gateway on another machine. For experiments.
    #[arg(long, env = "TIDELINE_AGENT_INSECURE_DEV")]
    pub insecure_dev: bool,
    /// Use this ONNX Runtime library: its file, or a folder that holds it.
    #[arg(long, value_name = "PATH", env = "TIDELINE_AGENT_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
    /// Let the runs of one model use this many threads together.
    #[arg(long, value_name = "N", env = "TIDELINE_AGENT_THREADS")]
    pub threads: Option<NonZeroUsize>,
    /// Measure these execution providers alone, such as `cpu,openvino`.
    #[arg(
        long,
        value_name = "NAMES",
        env = "TIDELINE_AGENT_PROVIDERS",
        value_delimiter = ','
    )]
    pub providers: Vec<String>,
    /// Log at these levels, such as `info` or `warn,edge_agent=debug`.
    #[arg(long, value_name = "FILTER", env = "TIDELINE_AGENT_LOG")]
    pub log: Option<String>,
    /// Log in this form.
    #[arg(long, value_enum, env = "TIDELINE_AGENT_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}
