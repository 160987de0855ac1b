//! A model on its way into the store: its files are put in one by one, and it is installed when it
//! opens as a package.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::{Change, Installed, StoreError, failed, sync};
use crate::package::import::{Inspection, inspect};
use crate::package::name::{FileName, ModelName};
use crate::package::record::{self, InstalledFile, Origin, Record};
use crate::package::{Digest, Package, PackageError};

/// Most bytes of one model.
const MAX_MODEL_BYTES: u64 = 1 << 40;
/// Longest text about a licence, in bytes.
const MAX_LICENCE_BYTES: usize = 200;

/// A model on its way into the store. Dropped before it is installed, it leaves nothing.
#[derive(Debug)]
pub struct Staging<'c> {
    change: &'c Change,
    name: ModelName,
    folder: PathBuf,
    files: Vec<InstalledFile>,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'f> {
    /// The file that is copied.
    pub file: &'f FileName,
    /// What has been copied of it.
    pub done_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

impl<'c> Staging<'c> {
    pub(super) fn new(change: &'c Change, name: ModelName, folder: PathBuf) -> Self {
        Self {
            change,
            name,
            folder,
            files: Vec::new(),
        }
    }

    /// Copies a plain file in.
    ///
    /// # Errors
    /// When it is a link, cannot be copied, or is one too many.
    pub fn copy(
        &mut self,
        file: &FileName,
        from: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), StoreError> {
        let metadata = from.symlink_metadata().map_err(failed("read", from))?;
        if !metadata.is_file() {
            let path = from.to_path_buf();
            return Err(PackageError::NotPlain { path }.into());
        }
        let total_bytes = metadata.len();
        self.admit(file, total_bytes)?;
        let mut source = File::open(from).map_err(failed("read", from))?;
        let to = self.place(file)?;
        let mut target = File::create_new(&to).map_err(failed("make", &to))?;
        let mut hasher = Sha256::new();
        let mut piece = vec![0; 1 << 20];
        let mut bytes = 0;
        loop {
            let read = source.read(&mut piece).map_err(failed("read", from))?;
            let read = piece.get(..read).unwrap_or_default();
            if read.is_empty() {
                break;
            }
            hasher.update(read);
            target.write_all(read).map_err(failed("write", &to))?;
            bytes += read.len() as u64;
            progress(Progress {
                file,
                done_bytes: bytes,
                total_bytes,
            });
        }
        target.sync_all().map_err(failed("sync", &to))?;
        self.files.push(InstalledFile {
            path: file.clone(),
            sha256: Digest::from_bytes(hasher.finalize().into()),
            bytes,
        });
        Ok(())
    }

    /// Moves a file in that lies in the store's `partial` and was checked.
    ///
    /// # Errors
    /// When it cannot be moved, or is one too many.
    pub fn adopt(
        &mut self,
        file: &FileName,
        from: &Path,
        sha256: Digest,
    ) -> Result<(), StoreError> {
        let bytes = from.metadata().map_err(failed("read", from))?.len();
        self.admit(file, bytes)?;
        let to = self.place(file)?;
        let synced = File::open(from).and_then(|opened| opened.sync_all());
        synced.map_err(failed("sync", from))?;
        std::fs::rename(from, &to).map_err(failed("move", from))?;
        self.files.push(InstalledFile {
            path: file.clone(),
            sha256,
            bytes,
        });
        Ok(())
    }

    /// Opens what was put in as a package, and installs it. The model that was there before stays
    /// until then.
    ///
    /// # Errors
    /// When it does not make a model, or the system refuses.
    pub fn install(
        mut self,
        source: Origin,
        licence: Option<String>,
    ) -> Result<Installed, StoreError> {
        let package = Package::open_as(&self.folder, Some(&self.name))?;
        let Inspection {
            task,
            variants,
            files: _,
            licence: own,
        } = inspect(&package)?;
        let mut files = std::mem::take(&mut self.files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let licence = licence.or(own).map(|text| {
            let shown = text.chars().filter(|c| !c.is_control());
            shown.take(MAX_LICENCE_BYTES).collect()
        });
        let record = Record {
            name: self.name.clone(),
            task,
            source,
            installed_unix_seconds: now.map_or(0, |now| now.as_secs()),
            licence,
            variants,
            files,
        };
        self.write(&record)?;
        // Opened once more, as everybody will from now on.
        Package::open(&self.folder)?;
        let path = self.change.put(&self.folder, &self.name)?;
        Ok(Installed { path, record })
    }

    fn write(&self, record: &Record) -> Result<(), StoreError> {
        let path = self.folder.join(record::NAME);
        let yaml = record
            .to_yaml()
            .map_err(|error| failed("write", &path)(std::io::Error::other(error)))?;
        let written = File::create_new(&path).and_then(|mut file| {
            file.write_all(yaml.as_bytes())?;
            file.sync_all()
        });
        written.map_err(failed("write", &path))?;
        let mut folders: Vec<_> = record
            .files
            .iter()
            .flat_map(|file| {
                let path = file.path.below(&self.folder);
                let parents: Vec<_> = path.ancestors().skip(1).map(Path::to_path_buf).collect();
                parents
            })
            .filter(|folder| folder.starts_with(&self.folder))
            .collect();
        folders.sort();
        folders.dedup();
        folders.iter().try_for_each(|folder| sync(folder))?;
        sync(&self.change.store.root.join("staging"))
    }

    /// Whether one more file of that size may come.
    fn admit(&self, file: &FileName, bytes: u64) -> Result<(), StoreError> {
        let refuse = |what: String, limit| Err(StoreError::TooMuch { what, limit });
        if self.files.len() >= record::MAX_FILES {
            return refuse(
                format!("{} has too many files", self.name),
                record::MAX_FILES as u64,
            );
        }
        let before: u64 = self.files.iter().map(|file| file.bytes).sum();
        if before.saturating_add(bytes) > MAX_MODEL_BYTES {
            let what = format!("{} has too many bytes, with {file}", self.name);
            return refuse(what, MAX_MODEL_BYTES);
        }
        Ok(())
    }

    /// Where a file belongs, with the folders above it made.
    fn place(&self, file: &FileName) -> Result<PathBuf, StoreError> {
        let path = file.below(&self.folder);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed("make", parent))?;
        }
        Ok(path)
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // After an installation there is nothing left.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
