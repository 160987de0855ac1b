//! Running other programs: one way to run one, one way to ask one, and the same words when it
//! fails.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repository;

/// What cargo tells this program of itself. Passed on to another cargo, it would have build scripts
/// that look at it run again, and all that depends on them built again.
const OWN: [&str; 9] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// A command that runs in the root of the repository.
pub(crate) fn command<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository::root());
    for name in OWN {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end, its output on ours.
///
/// # Errors
///
/// When it cannot be started, or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not start {}", told(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", told(command));
    }
    Ok(())
}

/// Runs it to its end and returns what it wrote to its standard output.
///
/// # Errors
///
/// As [`run`], with what it wrote to its standard error.
pub(crate) fn ask(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("could not start {}", told(command)))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            told(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} did not write UTF-8", told(command)))
}

/// The command as a person would type it, without the folders of the repository.
fn told(command: &Command) -> String {
    let root = repository::root();
    let shorten = |word: &OsStr| match Path::new(word).strip_prefix(&root) {
        Ok(inside) => inside.display().to_string(),
        Err(_outside) => word.to_string_lossy().into_owned(),
    };
    let mut words = vec![shorten(command.get_program())];
    words.extend(command.get_args().map(shorten));
    format!("`{}`", words.join(" "))
}
