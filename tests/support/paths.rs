//! Where set-up and build put things.

use std::path::PathBuf;

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file or folder that `cargo xtask setup` makes.
pub(crate) fn setup(name: &str) -> PathBuf {
    let path = root().join("target/setup").join(name);
    assert!(
        path.exists(),
        "{} is not there: run `cargo xtask setup` first",
        path.display()
    );
    path
}

/// A program of this workspace, as built with the tests' own profile.
pub(crate) fn program(name: &str) -> PathBuf {
    // This binary is target/PROFILE/deps/suite-HASH.
    let here = std::env::current_exe().expect("a running program has a path");
    let folder = here
        .ancestors()
        .nth(2)
        .expect("a test binary lies two folders down");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not there: run `cargo xtask test`, which builds it first",
        path.display()
    );
    path
}

/// The folder in which ONNX Runtime's library lies, and the library.
pub(crate) fn library() -> PathBuf {
    let folder = setup("onnxruntime");
    let mut found: Vec<_> = std::fs::read_dir(&folder)
        .expect("set-up's folder can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("libonnxruntime.so"))
        })
        .collect();
    found.sort();
    found
        .pop()
        .expect("set-up puts ONNX Runtime's library there")
}
