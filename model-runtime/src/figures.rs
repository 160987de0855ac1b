//! What was measured here, kept between starts: speeds, and golden outputs to hold later runs against.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Latency as measured: `fixed + per_token × tokens`, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Speed {
    /// Seconds that every run takes.
    pub fixed_seconds: f64,
    /// Seconds for each token more; 0 for tensors.
    pub per_token_seconds: f64,
    /// Seconds for each token of an answer; 0 for what is not generated.
    #[serde(default)]
    pub per_answer_token_seconds: f64,
}

impl Speed {
    /// What a run of that many tokens takes, in seconds.
    #[must_use]
    pub fn at(&self, tokens: u32) -> f64 {
        self.fixed_seconds + self.per_token_seconds * f64::from(tokens)
    }

    /// The line through two measurements, each tokens and seconds; never falling, never negative.
    pub(crate) fn through((short, a): (usize, f64), (long, b): (usize, f64)) -> Self {
        let span = long.saturating_sub(short).max(1) as f64;
        let per_token_seconds = ((b - a) / span).max(0.0);
        Self {
            fixed_seconds: (a - per_token_seconds * short as f64).max(0.0),
            per_token_seconds,
            per_answer_token_seconds: 0.0,
        }
    }
}

/// What was measured of one variant on one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Figures {
    /// How fast it is.
    pub speed: Speed,
    /// How like the CPU provider's its outputs were, as the least cosine; 1 for that provider.
    pub likeness: f64,
}

/// What is kept in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Kept {
    /// By model digest, provider and library version.
    figures: BTreeMap<String, Figures>,
    /// The CPU provider's outputs for fixed inputs, by model digest.
    golden: BTreeMap<String, Vec<Vec<f32>>>,
}

/// The store of figures. Losing it costs nothing but measuring again.
#[derive(Debug)]
pub(crate) struct Store {
    path: Option<PathBuf>,
    kept: Mutex<Kept>,
}

/// Largest file that is read, in bytes, and the most entries that are kept.
const MAX_BYTES: u64 = 16 << 20;
const MAX_ENTRIES: usize = 1024;

impl Store {
    /// Reads what was kept in `path`, if it can be read; without a path nothing outlives the process.
    pub(crate) fn open(path: Option<PathBuf>) -> Self {
        let kept = path.as_deref().and_then(read).unwrap_or_default();
        Self {
            path,
            kept: Mutex::new(kept),
        }
    }

    pub(crate) fn figures(&self, key: &str) -> Option<Figures> {
        self.with(|kept| kept.figures.get(key).cloned())
    }

    pub(crate) fn golden(&self, key: &str) -> Option<Vec<Vec<f32>>> {
        self.with(|kept| kept.golden.get(key).cloned())
    }

    pub(crate) fn keep_figures(&self, key: String, figures: Figures) {
        self.with(|kept| {
            if kept.figures.len() < MAX_ENTRIES {
                kept.figures.insert(key, figures);
            }
        });
        self.write();
    }

    pub(crate) fn keep_golden(&self, key: String, golden: Vec<Vec<f32>>) {
        self.with(|kept| {
            if kept.golden.len() < MAX_ENTRIES {
                kept.golden.insert(key, golden);
            }
        });
        self.write();
    }

    fn with<R>(&self, act: impl FnOnce(&mut Kept) -> R) -> R {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the file at once, so that a crash leaves the old one or the new one.
    fn write(&self) {
        let Some(path) = &self.path else { return };
        let json = self.with(|kept| serde_json::to_vec(kept).unwrap_or_default());
        let beside = path.with_extension("new");
        let written = std::fs::write(&beside, json).and_then(|()| std::fs::rename(&beside, path));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "measurements could not be kept; they will be taken again at the next start");
        }
    }
}

fn read(path: &Path) -> Option<Kept> {
    if path.metadata().ok()?.len() > MAX_BYTES {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
