//! Keeps what is loaded as the model store has it: what was there at the start, and what is installed,
//! replaced or removed while the agent runs.
//!
//! Looking and planning know nothing of loading: [`Shelf::look`] compares two listings. Its invariant:
//! a model is tried once for each time that it was installed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use model_runtime::{ModelName, Record, Store, StoreError};

/// Soon enough for somebody who waits for an import, seldom enough to cost nothing.
pub(super) const PERIOD: Duration = Duration::from_secs(3);

/// The store, and what was seen in it.
#[derive(Debug)]
pub(super) struct Shelf {
    store: Store,
    seen: Listing,
    /// Whether it could not be read when it was last looked at.
    is_broken: bool,
}

/// What is installed; `None` where the record cannot be read.
type Listing = BTreeMap<ModelName, Option<Record>>;

/// What to do about a model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Load it, in the place of one with that name.
    Load { name: ModelName, path: PathBuf },
    /// It cannot be loaded, for that reason.
    Refuse { path: PathBuf, why: String },
    /// A configured model has its name.
    Hide(ModelName),
    /// It was removed.
    Drop(ModelName),
}

impl Shelf {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            seen: Listing::new(),
            is_broken: false,
        }
    }

    /// What changed since the last look. `configured` are the names that the store does not get. It
    /// blocks.
    ///
    /// # Errors
    /// When the store cannot be read, the first time in a row.
    pub(super) fn look(&mut self, configured: &BTreeSet<String>) -> Result<Vec<Step>, StoreError> {
        let names = match self.store.names() {
            Ok(names) => names,
            Err(_) if self.is_broken => return Ok(Vec::new()),
            Err(error) => {
                self.is_broken = true;
                return Err(error);
            }
        };
        self.is_broken = false;
        let mut steps = Vec::new();
        let mut now = Listing::new();
        for name in names {
            let found = self.store.find(&name);
            let record = found.as_ref().ok().map(|found| found.record.clone());
            let is_new = self.seen.get(&name) != Some(&record);
            now.insert(name.clone(), record);
            match found {
                _ if !is_new => {}
                Ok(_) if configured.contains(name.as_str()) => steps.push(Step::Hide(name)),
                Ok(found) => steps.push(Step::Load {
                    name,
                    path: found.path,
                }),
                Err(error) => steps.push(Step::Refuse {
                    path: self.store.root().to_path_buf(),
                    why: format!("{name}: {error}"),
                }),
            }
        }
        let gone = self.seen.keys().filter(|name| !now.contains_key(*name));
        let gone = gone.filter(|name| !configured.contains(name.as_str()));
        steps.extend(gone.cloned().map(Step::Drop));
        self.seen = now;
        Ok(steps)
    }
}

#[cfg(test)]
mod tests;
