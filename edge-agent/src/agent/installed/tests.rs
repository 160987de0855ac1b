//! Proofs about what is noticed of a store.

use std::collections::BTreeSet;
use std::path::Path;

use model_runtime::{ModelName, Store, import};

use super::{Shelf, Step};

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

fn put(store: &Store, folder: &Path, called: &str, word: &str) {
    // The smallest model: a graph with nothing in it.
    std::fs::write(folder.join("model.onnx"), [0x3a, 0]).unwrap();
    std::fs::write(folder.join("config.json"), format!("{{\"w\": \"{word}\"}}")).unwrap();
    let change = store.change().unwrap();
    import(&change, folder, Some(name(called)), &mut |_| {}).unwrap();
}

#[test]
fn what_is_installed_replaced_and_removed_is_noticed_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("store"));
    let mut shelf = Shelf::new(store.clone());
    let configured = BTreeSet::from(["mine".to_owned()]);
    let mut look = || shelf.look(&configured).unwrap();
    assert_eq!(look(), []);

    let source = tempfile::tempdir().unwrap();
    let load = |called: &str| Step::Load {
        name: name(called),
        path: store.root().join("models").join(called),
    };
    put(&store, source.path(), "a", "first");
    put(&store, source.path(), "mine", "first");
    assert_eq!(look(), [load("a"), Step::Hide(name("mine"))]);
    assert_eq!(look(), []);

    put(&store, source.path(), "a", "second");
    assert_eq!(look(), [load("a")]);
    for called in ["a", "mine"] {
        store.change().unwrap().remove(&name(called)).unwrap();
    }
    assert_eq!(look(), [Step::Drop(name("a"))]);
    assert_eq!(look(), []);
}

#[test]
fn a_record_that_cannot_be_read_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    std::fs::create_dir_all(folder.path().join("models/a")).unwrap();
    let mut shelf = Shelf::new(store);
    let mut look = || shelf.look(&BTreeSet::new()).unwrap();
    assert!(matches!(look().as_slice(), [Step::Refuse { .. }]));
    assert_eq!(look(), []);
}
