//! Proofs about what is taken of a folder, and what is refused.

use std::path::Path;

use crate::package::store::tests::model;
use crate::package::{Installed, PackageError, Store, StoreError, Task, import};

/// Imports the folder that `make` fills.
#[expect(
    clippy::unwrap_in_result,
    reason = "a folder that cannot be made fails the test"
)]
fn imported(make: impl FnOnce(&Path)) -> Result<(tempfile::TempDir, Installed), StoreError> {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("tiny");
    model(&source, "x");
    make(&source);
    let store = Store::at(folder.path().join("store"));
    let installed = import(&store.change()?, &source, None, &mut |_| {})?;
    Ok((folder, installed))
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let size = u8::try_from(content.len()).unwrap();
    [&[number << 3 | 2, size], content].concat()
}

/// A graph whose one tensor lies in that file.
fn external(location: &str) -> Vec<u8> {
    let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
    let tensor = [field(13, &entry), vec![14 << 3, 1]].concat();
    field(7, &field(5, &tensor))
}

#[test]
fn the_files_that_make_the_model_are_taken_and_no_others() {
    let (_folder, installed) = imported(|at| {
        std::fs::write(at.join("model.onnx"), external("model.onnx.data")).unwrap();
        std::fs::write(at.join("model.onnx.data"), "weights").unwrap();
        std::fs::write(at.join("LICENSE"), "terms").unwrap();
        std::fs::write(at.join("README.md"), "---\nlicense: mit\n---\n").unwrap();
        std::fs::write(at.join("training.log"), "noise").unwrap();
    })
    .unwrap();
    let record = installed.record;
    let files: Vec<_> = record.files.iter().map(|it| it.path.as_str()).collect();
    let expected = ["LICENSE", "config.json", "model.onnx", "model.onnx.data"];
    assert_eq!(files, expected);
    assert_eq!(record.licence.as_deref(), Some("mit"));
    let [variant] = record.variants.as_slice() else {
        panic!("{record:?}")
    };
    assert_eq!(
        (record.name.as_str(), variant.name.as_str()),
        ("tiny", "fp32")
    );
}

#[test]
fn a_decoder_is_known_by_its_inputs() {
    let (_folder, installed) = imported(|at| {
        let input = field(11, &field(1, b"past_key_values.0.key"));
        std::fs::write(at.join("model.onnx"), field(7, &input)).unwrap();
        std::fs::write(at.join("tokenizer.json"), "{}").unwrap();
    })
    .unwrap();
    assert_eq!(installed.record.task, Task::Generation);
}

#[test]
fn data_that_lies_elsewhere_is_refused() {
    for location in ["../secret", "/etc/passwd", "absent", "a/../../secret"] {
        let error = imported(|at| {
            std::fs::write(at.with_file_name("secret"), "s").unwrap();
            std::fs::write(at.join("model.onnx"), external(location)).unwrap();
        });
        let error = error.unwrap_err();
        assert!(
            matches!(error, StoreError::Package(PackageError::Graph { .. })),
            "{location}: {error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_among_the_files_is_refused() {
    let error = imported(|at| {
        std::fs::write(at.with_file_name("secret"), "{}").unwrap();
        std::os::unix::fs::symlink("../secret", at.join("tokenizer_config.json")).unwrap();
    });
    let error = error.unwrap_err();
    assert!(
        matches!(error, StoreError::Package(PackageError::NotPlain { .. })),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_no_model_is_refused() {
    let error = imported(|at| std::fs::remove_file(at.join("model.onnx")).unwrap());
    let error = error.unwrap_err();
    assert!(
        error.to_string().contains("is not a model package"),
        "{error}"
    );
}
