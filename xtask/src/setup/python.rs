//! Python environments, and what pip puts into them: only files whose digests are in the
//! requirements.

use std::ffi::OsStr;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::step::{Folder, Key, Step, remove};
use crate::{repository, shell};

/// The oldest Python for which the requirements were resolved.
const OLDEST: (u32, u32) = (3, 11);

/// Which Python makes the environments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Choice {
    /// The Python that makes the environments under target/setup
    #[arg(long, env = "PYTHON", default_value = "python3")]
    python: PathBuf,
}

/// A Python of this machine.
#[derive(Debug)]
pub(crate) struct Python {
    program: PathBuf,
    key: Key,
}

impl Python {
    /// The chosen one, if it is new enough.
    ///
    /// # Errors
    ///
    /// When it cannot be run, or is too old.
    pub(crate) fn find(choice: &Choice) -> Result<Self> {
        let program = choice.python.clone();
        let script =
            "import sys; print(sys.version_info[0], sys.version_info[1], sys.version, sys.prefix)";
        let told = shell::ask(&mut shell::command(&program, ["-c", script]))
            .context("Python 3 is needed for the set-up; name another one with --python")?;
        let mut words = told
            .split_whitespace()
            .map_while(|word| word.parse::<u32>().ok());
        let found = (words.next().unwrap_or(0), words.next().unwrap_or(0));
        if found < OLDEST {
            bail!(
                "{} is Python {}.{}, but {}.{} or newer is needed; name another one with --python",
                program.display(),
                found.0,
                found.1,
                OLDEST.0,
                OLDEST.1
            );
        }
        Ok(Self {
            key: Key::of(&[told.as_bytes(), program.as_os_str().as_encoded_bytes()]),
            program,
        })
    }

    /// A virtual environment below `target/setup`, made when it is not there.
    ///
    /// # Errors
    ///
    /// When Python cannot make one.
    pub(crate) fn environment(&self, folder: &str) -> Result<Environment> {
        let step = Step {
            name: &format!("Python environment {folder}"),
            folder,
            how: Folder::InPlace,
            key: self.key.clone(),
        };
        step.once(|path| {
            remove(path)?;
            shell::run(shell::command(&self.program, ["-m", "venv"]).arg(path)).context(
                "could not make a Python environment; on Debian and Ubuntu, install python3-venv",
            )
        })?;
        Ok(Environment {
            folder: folder.to_owned(),
            key: self.key.clone(),
        })
    }
}

/// A virtual environment, and what is in it so far.
#[derive(Debug)]
pub(crate) struct Environment {
    folder: String,
    key: Key,
}

impl Environment {
    /// Installs what `tests/peers/requirements-GROUP.txt` lists.
    ///
    /// # Errors
    ///
    /// When pip fails, a digest that does not match included.
    pub(crate) fn install(&self, group: &str) -> Result<()> {
        let requirements = requirements(group);
        let listed = read(&requirements)?;
        let step = Step {
            name: &format!("Python packages for {group}"),
            folder: &self.folder,
            how: Folder::InPlace,
            key: Key::of(&[listed.as_bytes(), self.key.as_bytes()]),
        };
        step.once(|_| {
            let mut pip = self.pip("install");
            shell::run(
                pip.args(["--require-hashes", "--requirement"])
                    .arg(&requirements),
            )
        })
    }

    /// Runs a script in this environment.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub(crate) fn run<S: AsRef<OsStr>>(
        &self,
        script: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        shell::run(shell::command(self.program(), [script.as_os_str()]).args(arguments))
    }

    /// `pip VERB` of this environment, with its progress where a person can see it.
    pub(crate) fn pip(&self, verb: &str) -> Command {
        let options = [
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
            verb,
        ];
        let mut pip = shell::command(self.program(), options);
        if !std::io::stdout().is_terminal() {
            pip.arg("--quiet");
        }
        pip
    }

    fn program(&self) -> PathBuf {
        repository::setup().join(&self.folder).join("bin/python")
    }
}

/// The list of that name.
pub(crate) fn requirements(group: &str) -> PathBuf {
    repository::root().join(format!("tests/peers/requirements-{group}.txt"))
}

/// A file of the repository that a step depends on.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}
