//! The command line of `tideline model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model_runtime::{ModelName, Store};

use super::dir;
use crate::client::Failure;

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
  tideline model list
  tideline model show org/minilm

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
