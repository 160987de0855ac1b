//! `cargo xtask gen`: writes anew what is generated from the .proto files, and the table of their
//! digests in docs/protocol.md.
//!
//! The generator itself is the test in `proto/` that fails when the committed output is stale.

use std::fs;

use anyhow::{Context, Result};

use crate::tidy::{House, protocol};
use crate::{repository, shell};

/// Runs the generator, then refreshes the page.
///
/// # Errors
///
/// When a .proto file does not compile, or a file cannot be written.
pub(crate) fn run() -> Result<()> {
    let mut generator = shell::command("cargo", ["test", "--quiet", "--package", "tideline-proto"]);
    shell::run(generator.env("UPDATE_GENERATED", "1"))?;
    let house = House::read()?;
    let path = repository::root().join(protocol::PAGE);
    let page = fs::read_to_string(&path).unwrap_or_else(|_absent| "# The protocols\n".to_owned());
    fs::write(&path, protocol::refreshed(&house, &page))
        .with_context(|| format!("could not write {}", protocol::PAGE))?;
    println!("gen: proto/src/gen and {} are up to date", protocol::PAGE);
    Ok(())
}
