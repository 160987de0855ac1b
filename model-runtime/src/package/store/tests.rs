//! Proofs that a store holds whole models alone, whatever is cut off and whenever.

use std::path::Path;

use super::{Store, StoreError};
use crate::package::import::import;
use crate::package::{ModelName, PackageError, Task};

/// The smallest model: a graph with nothing in it, and a word of its own.
pub(crate) fn model(folder: &Path, word: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("model.onnx"), [0x3a, 0]).unwrap();
    std::fs::write(folder.join("config.json"), format!("{{\"w\": \"{word}\"}}")).unwrap();
}

fn name(text: &str) -> ModelName {
    ModelName::parse(text).unwrap()
}

/// A store with one model in it, in a folder with that model's source.
fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("store"));
    put(&store, folder.path(), "org/tiny", "first");
    (folder, store)
}

fn put(store: &Store, folder: &Path, called: &str, word: &str) {
    let source = folder.join("source");
    model(&source, word);
    let change = store.change().unwrap();
    import(&change, &source, Some(name(called)), &mut |_| {}).unwrap();
}

fn word(store: &Store, called: &str) -> String {
    let installed = store.find(&name(called)).unwrap();
    installed.open().unwrap();
    std::fs::read_to_string(installed.path.join("config.json")).unwrap()
}

#[test]
fn a_store_that_is_not_there_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("none"));
    assert_eq!(store.names().unwrap(), []);
    assert!(!store.root().exists());
    let error = store.find(&name("a")).unwrap_err();
    assert!(matches!(error, StoreError::NotInstalled { .. }), "{error}");
}

#[test]
fn what_is_installed_is_listed_found_replaced_and_removed() {
    let (folder, store) = store();
    put(&store, folder.path(), "b", "b");
    assert_eq!(store.names().unwrap(), [name("b"), name("org/tiny")]);
    let record = store.find(&name("org/tiny")).unwrap().record;
    assert_eq!((record.task, record.files.len()), (Task::Infer, 2));
    put(&store, folder.path(), "org/tiny", "second");
    assert!(word(&store, "org/tiny").contains("second"));
    store.change().unwrap().remove(&name("org/tiny")).unwrap();
    assert_eq!(store.names().unwrap(), [name("b")]);
    let error = store.change().unwrap().remove(&name("org/tiny"));
    assert!(error.unwrap_err().to_string().contains("one of: b"));
}

#[test]
fn a_replacement_that_was_cut_off_leaves_the_last_good_one() {
    let (_folder, store) = store();
    let of = |folder: &str| store.root().join(folder).join("org+tiny");
    // Cut off after the first rename: the old one is aside, the new one not there yet.
    std::fs::rename(of("models"), of("replaced")).unwrap();
    std::fs::create_dir(of("staging")).unwrap();
    assert_eq!(store.names().unwrap(), [name("org/tiny")]);
    assert!(word(&store, "org/tiny").contains("first"));
    assert!(!of("staging").exists() && !of("replaced").exists());
}

#[test]
fn a_model_that_does_not_open_is_not_installed_and_harms_nothing() {
    let (folder, store) = store();
    let source = folder.path().join("source");
    std::fs::write(source.join("model.onnx"), "no graph").unwrap();
    let change = store.change().unwrap();
    let error = import(&change, &source, Some(name("org/tiny")), &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, StoreError::Package(PackageError::Graph { .. })),
        "{error}"
    );
    assert!(word(&store, "org/tiny").contains("first"));
    assert_eq!(store.children("staging").unwrap(), [""; 0]);
}

#[test]
fn one_at_a_time_changes_a_store() {
    let (_folder, store) = store();
    let change = store.change().unwrap();
    let error = store.change().unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    drop(change);
    store.change().unwrap();
}
