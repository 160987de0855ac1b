//! The command line of `tideline model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model_runtime::{FileName, ModelName, Store};

use super::dir;
use crate::client::Failure;
use crate::model::HubModel;

/// `tideline model`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_long_help = LESSON)]
pub(crate) struct ModelOptions {
    #[command(subcommand)]
    pub(crate) verb: ModelVerb,
    /// Where the models are kept. Left out: the agent's usual place,
    /// `$XDG_DATA_HOME/tideline/models`.
    #[arg(long, global = true, value_name = "DIR", env = "TIDELINE_MODEL_STORE")]
    store: Option<PathBuf>,
}

const LESSON: &str = "\
Try it:
  tideline model import ./phi-4-mini          (a folder with genai_config.json)
  tideline model import ./exported --name org/minilm    (what optimum-cli wrote)
  tideline model pull hf:sentence-transformers/all-MiniLM-L6-v2
  tideline model pull hf:microsoft/Phi-3-mini-4k-instruct-onnx \\
    --folder cpu_and_mobile/cpu-int4-rtn-block-32-acc-level-4
  tideline model list
  tideline model show org/minilm

A pull that was cut off goes on where it ended when it is asked for again. Files are taken of one
commit and checked against the digests that the hub lists for it.

An agent on this laptop finds what was imported and serves it by its name.
No gateway is needed for any of this.";

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelVerb {
    /// Take a folder as it is: ONNX Runtime GenAI, Hugging Face or Optimum exports, or one with a
    /// model.yaml.
    Import {
        /// The folder.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// What to call the model. Left out: as its manifest or its folder is called.
        #[arg(long)]
        name: Option<ModelName>,
    },
    /// Fetch one from a model hub.
    Pull(PullOptions),
    /// All that are installed, a line each.
    List,
    /// One, with its variants, and its files with their digests.
    Show {
        /// Its name.
        name: ModelName,
        /// Read every file, and say whether it is the one that was installed.
        #[arg(long)]
        check: bool,
    },
    /// Take one away with all its files.
    Rm {
        /// Its name.
        name: ModelName,
    },
}

/// `tideline model pull`.
#[derive(Debug, Args)]
pub(crate) struct PullOptions {
    /// The repository: `hf:ORG/NAME`, and `@REVISION` for another branch, tag or commit than `main`.
    #[arg(value_name = "hf:ORG/NAME[@REVISION]")]
    pub(crate) model: HubModel,
    /// What to call the model. Left out: ORG/NAME.
    #[arg(long)]
    pub(crate) name: Option<ModelName>,
    /// The precision to take where there are several: fp32, fp16, int8 (or quantized), int4. Left
    /// out: int8 if it is there, otherwise fp32.
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// The folder of the repository that holds the model. Left out: its root.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<FileName>,
    /// Take these graphs and their data, such as `onnx/model_q4*`; can be given more than once.
    #[arg(long = "file", value_name = "GLOB", conflicts_with = "variant")]
    pub(crate) files: Vec<glob::Pattern>,
    /// The hub. Left out: <https://huggingface.co>.
    #[arg(long, value_name = "URL", env = "HF_ENDPOINT")]
    pub(crate) endpoint: Option<String>,
    /// A file with a token of the hub, for what is private or gated. Left out: HF_TOKEN, where it is
    /// set. It is shown to the hub alone, never to where the hub redirects.
    #[arg(long, value_name = "FILE")]
    hub_token_file: Option<PathBuf>,
    /// Accept a hub that speaks clear text.
    #[arg(long)]
    pub(crate) insecure: bool,
}

impl PullOptions {
    /// The hub's token, when there is one.
    pub(crate) fn token(&self) -> Result<Option<String>, Failure> {
        let token = match &self.hub_token_file {
            Some(path) => std::fs::read_to_string(path).map(Some).map_err(|error| {
                Failure::Usage(format!(
                    "could not read the hub's token {}: {error}",
                    path.display()
                ))
            })?,
            None => hub_token(),
        };
        let token = token.map(|token| token.trim().to_owned());
        Ok(token.filter(|token| !token.is_empty()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]
fn hub_token() -> Option<String> {
    std::env::var("HF_TOKEN").ok()
}

impl ModelOptions {
    /// The store that is meant.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        let root = self.store.clone().or_else(usual_store).ok_or_else(|| {
            Failure::Usage(
                "no place for models: neither XDG_DATA_HOME nor HOME is set; give --store DIR"
                    .into(),
            )
        })?;
        Ok(Store::at(root))
    }
}

/// `$XDG_DATA_HOME/tideline/models`, where agents look too.
fn usual_store() -> Option<PathBuf> {
    let home = dir("XDG_DATA_HOME").or_else(|| Some(dir("HOME")?.join(".local/share")))?;
    Some(home.join("tideline/models"))
}
