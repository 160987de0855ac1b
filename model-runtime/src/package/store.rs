//! The store: a folder of installed models, each with a record of its files.
//!
//! ```text
//! models/NAME/    one model: its files, and tideline-model.yaml
//! staging/NAME/   one on its way in
//! replaced/NAME/  the last good one while its successor takes its place
//! partial/        downloads that go on later
//! lock            held by the one who changes the store
//! ```
//!
//! Each model owns its files: graphs whose data has a second name are refused when they are loaded, so
//! blobs shared by links would save nothing. Invariant: what lies in `models` is whole. A model is
//! staged, synced, opened as a package, and then renamed into place.

mod staging;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use staging::{Progress, Staging};

use super::name::ModelName;
use super::record::Record;
use super::{Package, PackageError};

/// Most models in one store.
const MAX_MODELS: usize = 4096;

/// A folder of installed models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

/// An installed model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its folder, fit for [`Package::open`].
    pub path: PathBuf,
    /// What is known of it.
    pub record: Record,
}

/// The right to change a store, held by one at a time.
#[derive(Debug)]
pub struct Change {
    store: Store,
    _lock: File,
}

/// Why a store does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A model in it, or one on its way, is not usable.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The system refused.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody else changes it.
    #[error("another program changes the models in {}; try again when it is done", path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// There is no model of that name.
    #[error("no model `{name}` is installed, expected {}", expected(known))]
    NotInstalled {
        /// The name that was asked for.
        name: ModelName,
        /// All names.
        known: Vec<ModelName>,
    },
    /// A model has no name that a store can keep it by.
    #[error("{0}; give it another with --name")]
    Name(String),
    /// There is too much of something.
    #[error("{what}: expected at most {limit}")]
    TooMuch {
        /// What there is too much of.
        what: String,
        /// The most that is accepted.
        limit: u64,
    },
}

fn expected(known: &[ModelName]) -> String {
    let names: Vec<_> = known.iter().map(ModelName::as_str).collect();
    match names.as_slice() {
        [] => "one that was imported or pulled; there is none yet".into(),
        _ => format!("one of: {}", names.join(", ")),
    }
}

/// Names the action and the place of a system's refusal.
pub(super) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> StoreError + use<> {
    let path = path.to_path_buf();
    move |source| StoreError::Io {
        action,
        path,
        source,
    }
}

impl Store {
    /// The store at `root`. One that is not there yet is empty, and is made by the first change.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The names of what is installed, in order.
    ///
    /// # Errors
    /// When the store is there and cannot be read.
    pub fn names(&self) -> Result<Vec<ModelName>, StoreError> {
        // A change that was cut off between its two renames is set right by whoever comes next.
        if !self.children("replaced")?.is_empty()
            && let Ok(change) = self.change()
        {
            drop(change);
        }
        let folders = self.children("models")?;
        let mut names: Vec<_> = folders
            .iter()
            .filter_map(|folder| ModelName::of_folder(folder))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The installed model of that name. Its files are not read: [`Package::open`] checks them.
    ///
    /// # Errors
    /// When there is none, or its record cannot be read.
    pub fn find(&self, name: &ModelName) -> Result<Installed, StoreError> {
        let path = self.model(name);
        if !path.is_dir() {
            let known = self.names()?;
            // It may have come back right now.
            if !path.is_dir() {
                let name = name.clone();
                return Err(StoreError::NotInstalled { name, known });
            }
        }
        let wrong = |reason: String| PackageError::Description {
            path: path.join(super::record::NAME),
            reason,
        };
        let record = Record::read(&path)?.ok_or_else(|| wrong("it is not there".into()))?;
        if record.name != *name {
            return Err(wrong(format!("expected the name {name}, got {}", record.name)).into());
        }
        Ok(Installed { path, record })
    }

    /// The right to change it; nobody else has it meanwhile.
    ///
    /// # Errors
    /// When somebody else has it, or the store cannot be made.
    pub fn change(&self) -> Result<Change, StoreError> {
        for folder in ["models", "staging", "replaced", "partial"] {
            let path = self.root.join(folder);
            std::fs::create_dir_all(&path).map_err(failed("make", &path))?;
        }
        let path = self.root.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = options.open(&path).map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = self.root.clone();
                return Err(StoreError::Busy { path });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        }
        let change = Change {
            store: self.clone(),
            _lock: lock,
        };
        change.recover()?;
        Ok(change)
    }

    fn model(&self, name: &ModelName) -> PathBuf {
        self.root.join("models").join(name.folder())
    }

    /// The names in one of its folders; none when it is not there.
    fn children(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let path = self.root.join(folder);
        let entries = match std::fs::read_dir(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed("list", &path))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed("list", &path))?.file_name();
            names.extend(name.into_string().ok());
            if names.len() > MAX_MODELS {
                return Err(StoreError::TooMuch {
                    what: format!("{} holds too many models", path.display()),
                    limit: MAX_MODELS as u64,
                });
            }
        }
        Ok(names)
    }
}

impl Change {
    /// The store that is changed.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where downloads wait until they are whole, under names of their digests.
    #[must_use]
    pub fn partial(&self) -> PathBuf {
        self.store.root.join("partial")
    }

    /// Takes a model away with all its files.
    ///
    /// # Errors
    /// When there is none of that name, or the system refuses.
    pub fn remove(&self, name: &ModelName) -> Result<(), StoreError> {
        let path = self.store.model(name);
        if !path.is_dir() {
            return Err(StoreError::NotInstalled {
                name: name.clone(),
                known: self.store.names()?,
            });
        }
        // Out of sight at once, and then away: a cut in between leaves nothing half.
        let aside = self.clear("staging", name)?;
        std::fs::rename(&path, &aside).map_err(failed("move", &path))?;
        sync(&self.store.root.join("models"))?;
        std::fs::remove_dir_all(&aside).map_err(failed("remove", &aside))
    }

    /// Begins to install a model: an empty folder to put its files into.
    ///
    /// # Errors
    /// When the system refuses, or takes the name for another's.
    pub fn stage(&self, name: ModelName) -> Result<Staging<'_>, StoreError> {
        // Some file systems do not tell `A` from `a`.
        if let Ok(Some(other)) = Record::read(&self.store.model(&name))
            && other.name != name
        {
            let other = other.name;
            return Err(StoreError::Name(format!(
                "this disk does not tell `{name}` from `{other}`, which is installed"
            )));
        }
        let folder = self.clear("staging", &name)?;
        std::fs::create_dir(&folder).map_err(failed("make", &folder))?;
        Ok(Staging::new(self, name, folder))
    }

    /// Puts a whole and synced folder in the place of the model of that name.
    fn put(&self, folder: &Path, name: &ModelName) -> Result<PathBuf, StoreError> {
        let path = self.store.model(name);
        let aside = self.clear("replaced", name)?;
        if path.exists() {
            std::fs::rename(&path, &aside).map_err(failed("move", &path))?;
            sync(&self.store.root.join("replaced"))?;
        }
        std::fs::rename(folder, &path).map_err(failed("move", folder))?;
        sync(&self.store.root.join("models"))?;
        // What it replaced; leaving it there does no harm.
        std::fs::remove_dir_all(&aside).ok();
        Ok(path)
    }

    /// Sets right what a change that was cut off left behind: what was to be replaced and was not
    /// comes back, and what was on its way goes.
    fn recover(&self) -> Result<(), StoreError> {
        let root = &self.store.root;
        for folder in self.store.children("replaced")? {
            let (aside, place) = (
                root.join("replaced").join(&folder),
                root.join("models").join(&folder),
            );
            if place.exists() {
                std::fs::remove_dir_all(&aside).map_err(failed("remove", &aside))?;
            } else {
                std::fs::rename(&aside, &place).map_err(failed("move", &aside))?;
            }
        }
        for folder in self.store.children("staging")? {
            let path = root.join("staging").join(folder);
            std::fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    /// A path in one of the store's folders where nothing is.
    fn clear(&self, folder: &str, name: &ModelName) -> Result<PathBuf, StoreError> {
        let path = self.store.root.join(folder).join(name.folder());
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("remove", &path)(error))
            }
            Ok(()) | Err(_) => Ok(path),
        }
    }
}

impl Installed {
    /// Opens it as a package.
    ///
    /// # Errors
    /// [`PackageError`] when a file is not the one that was installed.
    pub fn open(&self) -> Result<Package, PackageError> {
        Package::open(&self.path)
    }

    /// Reads every file, and checks that it is the one that was installed.
    ///
    /// # Errors
    /// [`PackageError`] that names the first that is not.
    pub fn verify(&self) -> Result<(), PackageError> {
        self.record.check(&self.path)?;
        let mut files = self.record.files.iter();
        files.try_for_each(|file| file.check(&file.path.below(&self.path)))
    }
}

/// Writes down on the disk which files a folder holds, where the system can.
fn sync(folder: &Path) -> Result<(), StoreError> {
    if !cfg!(unix) {
        return Ok(());
    }
    let opened = File::open(folder).and_then(|folder| folder.sync_all());
    opened.map_err(failed("sync", folder))
}

#[cfg(test)]
pub(crate) mod tests;
