//! Finds ONNX Runtime's library and loads it. One process holds one library.

mod version;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;

pub use version::Version;

use crate::device::{Device, devices};

/// Where to look, and what to accept.
#[derive(Debug, Clone, Default)]
pub struct LibraryConfig {
    /// The library itself, or a folder that holds it. Without one, the usual places are searched.
    pub path: Option<PathBuf>,
    /// Further folders to search, before the usual ones.
    pub search: Vec<PathBuf>,
    /// The oldest version to accept instead of [`Version::FLOOR`]. A lower one loads libraries with
    /// known faults in how they read models.
    pub minimum: Option<Version>,
}

/// ONNX Runtime, loaded. A clone is another handle to the same.
#[derive(Clone)]
pub struct Library(Arc<Loaded>);

struct Loaded {
    path: PathBuf,
    version: Version,
    environment: Environment,
}

/// Why there is no library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// It is nowhere.
    #[error(
        "no ONNX Runtime library found; searched {}; install the `onnxruntime` package, or set its path",
        places(searched)
    )]
    NotFound {
        /// Every place where it could have been.
        searched: Vec<PathBuf>,
    },
    /// The given path is not there.
    #[error("no ONNX Runtime library at {}, expected a file such as libonnxruntime.so.1.31.1", path.display())]
    NotThere {
        /// The path.
        path: PathBuf,
    },
    /// What was found is no such library.
    #[error("could not load {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// It is older than what is accepted.
    #[error("ONNX Runtime {found} at {} is too old, expected {minimum} or newer", path.display())]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: Version,
        /// The oldest that is accepted.
        minimum: Version,
    },
    /// Another one is loaded already.
    #[error("{} is loaded already; one process holds one ONNX Runtime library, restart to load {}", loaded.display(), wanted.display())]
    AnotherIsLoaded {
        /// The one that is loaded.
        loaded: PathBuf,
        /// The one that was asked for.
        wanted: PathBuf,
    },
}

/// The library of this process, once there is one.
static LOADED: Mutex<Option<Library>> = Mutex::new(None);

impl Library {
    /// Finds the library and loads it. Loading the same one again gives the same handle.
    ///
    /// It blocks while the file is read.
    ///
    /// # Errors
    /// [`LibraryError`], naming every place that was searched.
    pub fn load(config: &LibraryConfig) -> Result<Self, LibraryError> {
        let path = find(config)?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*loaded {
            if library.0.path == path {
                return Ok(library.clone());
            }
            let loaded = library.0.path.clone();
            return Err(LibraryError::AnotherIsLoaded {
                loaded,
                wanted: path,
            });
        }
        let minimum = config.minimum.unwrap_or(Version::FLOOR);
        let found = version::of(&path)?;
        if found < minimum {
            return Err(LibraryError::TooOld {
                path,
                found,
                minimum,
            });
        }
        let unusable = |error: &dyn fmt::Display| LibraryError::Unusable {
            path: path.clone(),
            reason: error.to_string(),
        };
        let environment = ort::init_from(&path)
            .map_err(|error| unusable(&error))?
            .with_name("tideline")
            .with_telemetry(false)
            .build()
            .map_err(|error| unusable(&error))?;
        // What fails comes back as an error; ONNX Runtime need not print it too.
        environment.set_log_level(ort::logging::LogLevel::Fatal);
        let library = Self(Arc::new(Loaded {
            path,
            version: found,
            environment,
        }));
        *loaded = Some(library.clone());
        Ok(library)
    }

    /// Where it was found.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// The devices that it found here, each with the provider that reaches it.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        devices(&self.0.environment)
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.0.environment
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Library({} {})", self.0.path.display(), self.0.version)
    }
}

/// The file to load.
fn find(config: &LibraryConfig) -> Result<PathBuf, LibraryError> {
    if let Some(path) = &config.path {
        let found = if path.is_dir() {
            newest_in(path)
        } else {
            path.is_file().then(|| path.clone())
        };
        return found.ok_or_else(|| LibraryError::NotThere { path: path.clone() });
    }
    let searched: Vec<PathBuf> = config
        .search
        .iter()
        .cloned()
        .chain(usual_places())
        .collect();
    let found = searched.iter().find_map(|folder| newest_in(folder));
    found.ok_or(LibraryError::NotFound { searched })
}

/// Beside the program, then where systems keep libraries.
fn usual_places() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let beside = beside.map(|folder| [folder.to_path_buf(), folder.join("../lib/tideline")]);
    let system = [
        "/usr/local/lib/tideline",
        "/usr/lib/tideline",
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
        "/opt/onnxruntime/lib",
    ];
    beside
        .into_iter()
        .flatten()
        .chain(system.map(PathBuf::from))
        .collect()
}

/// The library in a folder, the newest where there are several.
fn newest_in(folder: &Path) -> Option<PathBuf> {
    let is_library = |name: &str| {
        name == "onnxruntime.dll"
            || name.starts_with("libonnxruntime.so")
            || (name.starts_with("libonnxruntime.") && name.ends_with(".dylib"))
    };
    let entries = std::fs::read_dir(folder).ok()?;
    let named = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(is_library)
    };
    let found = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(named);
    found.max_by_key(|path| (Version::in_name(path), path.clone()))
}

fn places(searched: &[PathBuf]) -> String {
    let shown: Vec<_> = searched
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}
