//! Where things are in this repository. Every path that xtask uses starts here.

use std::path::{Path, PathBuf};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// What the set-up fetched and made; nothing in it is precious.
pub(crate) fn setup() -> PathBuf {
    root().join("target/setup")
}
