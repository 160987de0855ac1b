//! One step of the set-up: done once, and again only when what it depends on has changed.
//!
//! A step makes one folder. Its work goes into a folder of another name that takes the real one
//! when the work is done, and the stamp is written last: a step that was interrupted is a step that
//! was not done.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::repository;

/// The digest of all that a step depends on. Steps that build on another mix its key into theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// The key of these parts, in this order.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            digest.update(part);
        }
        Self(hex(&digest.finalize()))
    }

    /// The same key, as a part of another.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a step's folder comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folder {
    /// Made whole, and put in place when it is done.
    Whole,
    /// Worked on where it stands: a Python environment does not survive being renamed.
    InPlace,
}

/// What is done, and for which folder below `target/setup`.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// Tells the person who waits what is going on; also the name of the stamp.
    pub name: &'a str,
    /// Where the result goes.
    pub folder: &'a str,
    /// Whether that folder is made whole.
    pub how: Folder,
    /// What the result depends on.
    pub key: Key,
}

impl Step<'_> {
    /// Does `work` with the folder it is to fill, unless that was done for this very key.
    ///
    /// # Errors
    ///
    /// What `work` returns, and failures to write below `target/setup`.
    pub(crate) fn once(&self, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.once_below(&repository::setup(), work)
    }

    fn once_below(&self, base: &Path, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let folder = base.join(self.folder);
        let stamp = self.stamp(base);
        if folder.exists() && fs::read_to_string(&stamp).is_ok_and(|written| written == self.key.0)
        {
            return Ok(());
        }
        println!("setup: {} …", self.name);
        let begun = Instant::now();
        remove(&stamp)?;
        match self.how {
            Folder::Whole => {
                let unfinished = folder.with_extension("unfinished");
                remove(&unfinished)?;
                fs::create_dir_all(&unfinished)
                    .with_context(|| format!("could not create {}", unfinished.display()))?;
                work(&unfinished)?;
                remove(&folder)?;
                fs::rename(&unfinished, &folder)
                    .with_context(|| format!("could not create {}", folder.display()))?;
            }
            Folder::InPlace => work(&folder)?,
        }
        if let Some(parent) = stamp.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("could not create {}", parent.display()))?;
        }
        fs::write(&stamp, &self.key.0)
            .with_context(|| format!("could not write {}", stamp.display()))?;
        println!(
            "setup: {} done in {:.1} s: target/setup/{}, {} MiB",
            self.name,
            begun.elapsed().as_secs_f64(),
            self.folder,
            size(&folder) / (1024 * 1024)
        );
        Ok(())
    }

    fn stamp(&self, base: &Path) -> PathBuf {
        let name: String = self
            .name
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || c == '.' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        match self.how {
            Folder::Whole => base.join("stamps").join(name),
            // Gone together with the environment.
            Folder::InPlace => repository::setup()
                .join(self.folder)
                .join("stamps")
                .join(name),
        }
    }
}

/// Removes a file or a folder with all that is in it; gone already is as good.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_absent) => Ok(()),
    };
    removed.with_context(|| format!("could not remove {}", path.display()))
}

/// How many bytes a folder holds.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_gone) => 0,
    };
    entries.flatten().map(of).sum()
}

#[cfg(test)]
mod tests;
