//! The agent's state directory: where things lie, and how a small file is replaced so that a crash
//! leaves either the old content or the new, never a mixture.
//!
//! It never interprets what it keeps. Its invariant: a file written by [`StateDir::replace`] is
//! durable when the call returns, and readable by this user alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A directory that belongs to one agent.
#[derive(Clone, Debug)]
pub(crate) struct StateDir {
    root: PathBuf,
}

/// A file or folder of the state directory that could not be used.
#[derive(Debug, Error)]
#[error("cannot {action} {}", path.display())]
pub(crate) struct StoreError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl StateDir {
    /// Opens `root`, creating it for this user alone when it is not there.
    ///
    /// # Errors
    /// When it can neither be found nor made.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        create_private_dir(root).map_err(|source| failed("create", root, source))?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// The directory itself.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where `name` lies, or would lie.
    #[must_use]
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// What `name` holds, or nothing when it does not exist.
    ///
    /// # Errors
    /// When it exists and cannot be read as text.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path, source)),
        }
    }

    /// Replaces `name` by `content`, durably.
    ///
    /// # Errors
    /// When the disk refuses; the old content is then still there.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name);
        replace_file(&path, content).map_err(|source| failed("write", &path, source))
    }

    /// What `name` holds, or `make()` when it does not exist yet, which is then kept.
    ///
    /// # Errors
    /// When it can be neither read nor written.
    pub(crate) fn read_or_make(
        &self,
        name: &str,
        make: impl FnOnce() -> String,
    ) -> Result<String, StoreError> {
        if let Some(kept) = self.read(name)? {
            return Ok(kept.trim().to_owned());
        }
        let made = make();
        self.replace(name, format!("{made}\n").as_bytes())?;
        Ok(made)
    }
}

/// Writes beside `path`, syncs, renames over it, and syncs the folder.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file =
        private(OpenOptions::new().write(true).create(true).truncate(true)).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes a folder's entries durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()
    } else {
        Ok(())
    }
}

/// Creates a folder, and those above it, for this user alone.
pub(crate) fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Files made with these options can be read by this user alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
