//! Proofs that an installed model is used only as it was installed.

use std::path::{Path, PathBuf};

use crate::package::import::import;
use crate::package::store::tests::model;
use crate::package::{ModelName, Package, PackageError, Store};

/// What opening an installed model says, once `spoil` was at its folder.
fn spoiled(spoil: impl FnOnce(&Path)) -> PackageError {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("tiny");
    model(&source, "x");
    let store = Store::at(folder.path().join("store"));
    let change = store.change().unwrap();
    let installed = import(&change, &source, ModelName::parse("a/b"), &mut |_| {}).unwrap();
    assert_eq!(installed.open().unwrap().name(), "a/b");
    spoil(&installed.path);
    Package::open(&installed.path).unwrap_err()
}

fn append(path: PathBuf, text: &str) {
    let old = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, old + text).unwrap();
}

#[test]
fn a_changed_file_is_refused() {
    let error = spoiled(|at| std::fs::write(at.join("config.json"), "{\"w\": \"y\"}").unwrap());
    assert!(matches!(error, PackageError::Digest { .. }), "{error}");
    let error = spoiled(|at| append(at.join("config.json"), " "));
    assert!(matches!(error, PackageError::Size { .. }), "{error}");
    let error = spoiled(|at| std::fs::remove_file(at.join("config.json")).unwrap());
    assert!(matches!(error, PackageError::Read { .. }), "{error}");
}

#[test]
fn a_file_that_was_not_installed_is_refused() {
    let error = spoiled(|at| std::fs::write(at.join("modules.json"), "[]").unwrap());
    assert!(matches!(error, PackageError::Unlisted { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn links_of_either_kind_are_refused() {
    use std::os::unix::fs::symlink;
    let error = spoiled(|at| {
        std::fs::rename(at.join("config.json"), at.with_extension("aside")).unwrap();
        symlink(at.with_extension("aside"), at.join("config.json")).unwrap();
    });
    assert!(matches!(error, PackageError::NotPlain { .. }), "{error}");
    let error = spoiled(|at| {
        std::fs::hard_link(at.join("config.json"), at.with_extension("aside")).unwrap();
    });
    assert!(matches!(error, PackageError::NotPlain { .. }), "{error}");
}

#[test]
fn a_record_that_climbs_or_says_too_little_is_refused() {
    for (from, to) in [
        ("path: config.json", "path: ../config.json"),
        ("path: config.json", "path: /etc/passwd"),
        ("name: a/b", "name: ../b"),
        ("kind: InstalledModel", "kind: Model"),
        ("bytes: 2", "bites: 2"),
    ] {
        let error = spoiled(|at| {
            let record = at.join("tideline-model.yaml");
            let text = std::fs::read_to_string(&record).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(record, text.replace(from, to)).unwrap();
        });
        assert!(matches!(error, PackageError::Description { .. }), "{error}");
    }
}
