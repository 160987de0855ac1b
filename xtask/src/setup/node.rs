//! Packages of Node, and what npm puts there: only files whose digests are in the lock file. No
//! script of a package runs.

use std::fs;

use anyhow::{Context, Result};

use super::python::{read, requirements};
use super::step::{Folder, Key, Step};
use crate::{repository, shell};

/// What npm reads.
const FILES: [&str; 3] = [".npmrc", "package.json", "package-lock.json"];

/// The clients of the tests, by the Node that is there already.
pub(crate) fn clients() -> Result<()> {
    let from = repository::root().join("tests/e2e/clients/node");
    let listed = FILES
        .iter()
        .map(|name| read(&from.join(name)))
        .collect::<Result<Vec<_>>>()?;
    let node = repository::setup().join("node");
    let mut parts: Vec<_> = listed.iter().map(String::as_bytes).collect();
    let version = read(&requirements("node"))?;
    parts.push(version.as_bytes());
    let step = Step {
        name: "Node packages for clients",
        folder: "node-clients",
        how: Folder::Whole,
        key: Key::of(&parts),
    };
    step.once(|folder| {
        for (name, text) in FILES.iter().zip(&listed) {
            let copy = folder.join(name);
            fs::write(&copy, text)
                .with_context(|| format!("could not write {}", copy.display()))?;
        }
        let mut npm = shell::command(
            node.join("bin/node"),
            [node.join("lib/node_modules/npm/bin/npm-cli.js")],
        );
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        // Node alone would not trust what the machine's owner added.
        npm.env("NODE_USE_SYSTEM_CA", "1");
        shell::run(npm.current_dir(folder))
    })
}
