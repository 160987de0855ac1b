//! The house as the rules see it: its crates with what they depend on, and its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::source::Source;
use crate::{repository, shell};

/// Everything that a rule may look at.
#[derive(Debug, Default)]
pub(crate) struct House {
    /// The members of the workspace.
    pub crates: Vec<Crate>,
    /// Every file that is written by hand or committed, by path.
    pub sources: Vec<Source>,
}

/// A member of the workspace.
#[derive(Debug)]
pub(crate) struct Crate {
    pub name: String,
    /// Its `Cargo.toml`, from the root.
    pub manifest: String,
    /// The crates that it names itself, for building or running it; what only its tests use is not
    /// among them.
    pub uses: BTreeSet<String>,
    /// The crates that come along with those.
    pub reaches: BTreeSet<String>,
}

/// Files that are read: text, by their endings.
const ENDINGS: &[&str] = &[
    "rs", "toml", "proto", "md", "py", "yaml", "yml", "json", "sql", "sh", "html", "css", "js",
    "mjs", "in",
];

/// Folders that hold nothing of ours.
const ELSEWHERE: &[&str] = &["target", ".git", "node_modules", "__pycache__"];

impl House {
    /// The house as it stands in the working tree.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or `cargo metadata` fails.
    pub(crate) fn read() -> Result<Self> {
        let mut sources = Vec::new();
        collect(&repository::root(), "", &mut sources)?;
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        let arguments = ["metadata", "--format-version", "1", "--offline"];
        let metadata = shell::ask(&mut shell::command("cargo", arguments))
            .or_else(|_| shell::ask(&mut shell::command("cargo", &arguments[..3])))?;
        let metadata = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
        Ok(Self {
            crates: crates(&metadata),
            sources,
        })
    }

    /// The file of that path.
    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    /// The files that ship in a crate's folder, `edge-agent` for one.
    pub(crate) fn product<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Source> + 'a {
        let inside = move |source: &&Source| {
            source
                .path
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        self.sources
            .iter()
            .filter(inside)
            .filter(|source| source.is_product())
    }
}

impl Crate {
    /// The line of the manifest that names a dependency, or the first.
    pub(crate) fn line_of(&self, house: &House, dependency: &str) -> usize {
        let names = |line: &str| {
            line.trim_start()
                .trim_start_matches('"')
                .starts_with(dependency)
        };
        let found = house
            .source(&self.manifest)
            .and_then(|it| it.text.lines().position(names));
        found.map_or(1, |index| index + 1)
    }
}

/// Reads the text files below a folder.
fn collect(folder: &Path, path: &str, sources: &mut Vec<Source>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not read {path}"))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("could not read {path}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}/{name}")
        };
        let kind = entry
            .file_type()
            .with_context(|| format!("could not read {path}"))?;
        if kind.is_dir() && !ELSEWHERE.contains(&name.as_str()) {
            collect(&entry.path(), &path, sources)?;
        }
        let ending = Path::new(&name)
            .extension()
            .and_then(|ending| ending.to_str());
        if kind.is_file() && (ending.is_some_and(|it| ENDINGS.contains(&it)) || path == ".ci/run") {
            let text = fs::read_to_string(entry.path());
            sources.push(Source::new(
                &path,
                text.with_context(|| format!("could not read {path}"))?,
            ));
        }
    }
    Ok(())
}

/// The members in the output of `cargo metadata`.
fn crates(metadata: &Value) -> Vec<Crate> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    let names: BTreeMap<_, _> = packages
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let shipped = |dependency: &&Value| {
        list(&dependency["dep_kinds"])
            .iter()
            .any(|kind| kind["kind"].as_str() != Some("dev"))
    };
    let uses: BTreeMap<&str, Vec<&str>> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let dependencies = list(&node["deps"]).iter().filter(shipped);
            (
                text(&node["id"]),
                dependencies
                    .map(|dependency| text(&dependency["pkg"]))
                    .collect(),
            )
        })
        .collect();
    let members: BTreeSet<_> = list(&metadata["workspace_members"])
        .iter()
        .map(text)
        .collect();
    let member = |package: &Value| {
        let id = text(&package["id"]);
        let name_of = |id: &&str| names.get(*id).copied().unwrap_or_default().to_owned();
        let manifest = text(&package["manifest_path"]);
        let manifest = manifest
            .strip_prefix(root)
            .unwrap_or(manifest)
            .trim_start_matches(['/', '\\']);
        Crate {
            name: text(&package["name"]).to_owned(),
            manifest: manifest.replace('\\', "/"),
            uses: uses.get(id).into_iter().flatten().map(name_of).collect(),
            reaches: reach(id, &uses).iter().map(name_of).collect(),
        }
    };
    packages
        .iter()
        .filter(|package| members.contains(text(&package["id"])))
        .map(member)
        .collect()
}

/// All that can be reached from a package.
fn reach<'a>(from: &'a str, uses: &BTreeMap<&str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for &next in uses.get(id).into_iter().flatten() {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
