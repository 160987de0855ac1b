//! Proves that `src/gen/` is what the `.proto` files say. Run with
//! `UPDATE_GENERATED=1` it writes `src/gen/` instead.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use protox::Compiler;
use protox::prost::Message;

/// Packages whose messages carry content: they get no `Debug`.
const CONTENT: [&str; 2] = [".inference", ".tideline.inference"];

#[test]
fn generated_code_is_what_the_proto_files_say() {
    let committed = root().join("src/gen");
    let generated = generate();
    if update_is_wanted() {
        write(&committed, &generated);
        return;
    }
    let names: Vec<_> = generated.keys().cloned().collect();
    assert_eq!(
        names_in(&committed),
        names,
        "run `cargo xtask gen` to bring src/gen up to date"
    );
    for (name, text) in &generated {
        let is_current = fs::read(committed.join(name)).unwrap() == *text;
        assert!(is_current, "src/gen/{name} is stale: run `cargo xtask gen`");
    }
}

#[test]
fn every_generated_file_is_part_of_the_crate() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for name in generate().keys() {
        assert!(lib.contains(&format!("\"gen/{name}\"")), "{name}");
    }
}

fn generate() -> BTreeMap<String, Vec<u8>> {
    let mut compiler = Compiler::new([root()]).unwrap();
    compiler.include_source_info(true).include_imports(true);
    for path in protos_in(&root()) {
        compiler.open_file(&path).unwrap_or_else(|e| panic!("{e}"));
    }
    let mut files = compiler.file_descriptor_set();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .skip_debug(CONTENT)
        .emit_rerun_if_changed(false)
        .out_dir(out.path())
        .compile_fds(files.clone())
        .unwrap();
    let mut generated: BTreeMap<_, _> = names_in(out.path())
        .into_iter()
        // Imported well-known types come from prost-types.
        .filter(|name| !name.starts_with("google."))
        .map(|name| {
            let text = fs::read(out.path().join(&name)).unwrap();
            (name, text)
        })
        .collect();
    for file in &mut files.file {
        file.source_code_info = None;
    }
    generated.insert("descriptors.bin".into(), files.encode_to_vec());
    generated
}

fn write(folder: &Path, generated: &BTreeMap<String, Vec<u8>>) {
    for name in names_in(folder) {
        fs::remove_file(folder.join(name)).unwrap();
    }
    for (name, text) in generated {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn protos_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(protos_in(&path));
        } else if path.extension().is_some_and(|end| end == "proto") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[expect(
    clippy::disallowed_methods,
    reason = "not a setting of the program: the way to ask this test to write"
)]
fn update_is_wanted() -> bool {
    std::env::var_os("UPDATE_GENERATED").is_some()
}
