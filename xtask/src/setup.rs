//! `cargo xtask setup`: fetches ONNX Runtime, weights and packages of Python and Node, and makes
//! the models.
//!
//! Everything lands under `target/setup`, each step once. pip fetches, and checks every file
//! against the digests in `tests/peers/requirements-*.txt`; Node comes that way too, and its npm
//! fetches by the digests in `tests/e2e/clients/node/package-lock.json`. When all is done, nothing asks the
//! network and nothing takes a second.

mod models;
mod nginx;
mod node;
mod python;
mod step;
mod wheels;

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::repository;
pub(crate) use python::Choice as PythonChoice;
pub(crate) use step::remove;

/// What to set up, and with which Python.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// What the set-up is for
    #[arg(long = "for", value_enum, default_value = "test")]
    purpose: Purpose,
    #[command(flatten)]
    python: python::Choice,
}

impl Arguments {
    /// The set-up for a purpose, with the Python that was chosen for it.
    pub(crate) fn new(purpose: Purpose, python: python::Choice) -> Self {
        Self { purpose, python }
    }
}

/// Who needs the set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Purpose {
    /// `cargo xtask demo`: ONNX Runtime and the embedding model
    Demo,
    /// `cargo xtask test`: also a second provider, the models of the tests, and clients
    Test,
    /// `cargo xtask bench`: also what Tideline is compared with
    Bench,
}

/// Does what is left to do, and says so only when there was something.
///
/// # Errors
///
/// When a program is missing, a download does not match its digest, or a script fails.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let begun = Instant::now();
    let _alone = alone()?;
    let python = python::Python::find(&arguments.python)?;
    let purpose = arguments.purpose;

    let venv = python.environment("venv")?;
    wheels::onnxruntime(&venv)?;
    wheels::minilm(&venv)?;
    venv.install("models")?;
    if purpose >= Purpose::Test {
        wheels::openvino(&venv)?;
        venv.install("clients")?;
        wheels::node(&venv)?;
        node::clients()?;
    }
    if purpose >= Purpose::Bench {
        venv.install("bench")?;
        python.environment("venv-mlserver")?.install("mlserver")?;
        python.environment("venv-pytriton")?.install("pytriton")?;
    }
    models::minilm(&venv)?;
    if purpose >= Purpose::Test {
        models::fixtures(&venv)?;
        models::decoders(&venv)?;
    }
    println!(
        "setup: target/setup is ready ({:.1} s)",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// What generated text is compared with. llama.cpp is compiled, which takes some minutes.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn generating_peers(choice: &PythonChoice) -> Result<()> {
    let _alone = alone()?;
    let python = python::Python::find(choice)?;
    python.environment("venv-genai")?.install("genai")
}

/// What requests are handed on by, beside us: nginx, and LiteLLM's proxy. Gives nginx's program.
///
/// # Errors
///
/// As [`run`], and when nginx cannot be had.
pub(crate) fn proxying_peers(choice: &PythonChoice) -> Result<PathBuf> {
    let _alone = alone()?;
    let python = python::Python::find(choice)?;
    python.environment("venv-litellm")?.install("litellm")?;
    nginx::program()
}

/// Waits until no other set-up works in this folder; the file lets go of the lock when it is
/// dropped.
fn alone() -> Result<File> {
    let folder = repository::setup();
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    let path = folder.join("lock");
    let file =
        File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
    file.lock()
        .with_context(|| format!("could not lock {}", path.display()))?;
    Ok(file)
}
