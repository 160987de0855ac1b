//! nginx: the system's own, or the Debian package's program without installing it, so that no service
//! is ever started. apt checks the package against its archive's signatures.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::step::{Folder, Key, Step};
use crate::{repository, shell};

/// Where systems have it.
const USUAL: [&str; 4] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
];
const PACKAGE: &str = "nginx";
const MISSING: &str = "nginx is not there and could not be fetched; on Debian and Ubuntu, \
                       `apt-get install nginx` as root installs it";

/// The program.
pub(super) fn program() -> Result<PathBuf> {
    if let Some(found) = USUAL.iter().find_map(|folder| there(folder.as_ref())) {
        return Ok(found);
    }
    let step = Step {
        name: "nginx",
        folder: "nginx",
        how: Folder::Whole,
        key: Key::of(&[PACKAGE.as_bytes()]),
    };
    step.once(|folder| {
        let mut download = shell::command("apt-get", ["download", PACKAGE]);
        shell::run(download.current_dir(folder)).context(MISSING)?;
        let listed = fs::read_dir(folder).context(MISSING)?;
        let is_package = |path: &PathBuf| path.extension().is_some_and(|it| it == "deb");
        let mut fetched = listed.flatten().map(|entry| entry.path());
        let package = fetched.find(is_package).context(MISSING)?;
        let mut extract = shell::command("dpkg-deb", ["--extract"]);
        shell::run(extract.arg(package).arg(folder)).context(MISSING)
    })?;
    let found = there(&repository::setup().join("nginx/usr/sbin"));
    let Some(found) = found else { bail!(MISSING) };
    Ok(found)
}

fn there(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("nginx");
    program.is_file().then_some(program)
}
