//! The library and the models that set-up made.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test without its set-up fails here")]

use std::path::PathBuf;
use std::sync::OnceLock;

use model_runtime::{Library, LibraryConfig, LoadOptions, Model, Package, Runtime, RuntimeConfig};

/// Something that `cargo xtask setup` made.
pub(crate) fn setup(name: &str) -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/setup")).join(name);
    assert!(
        path.exists(),
        "{} is not there: run `cargo xtask setup` first",
        path.display()
    );
    path
}

/// One of the models of the tests.
pub(crate) fn fixture(name: &str) -> PathBuf {
    setup("models/fixtures").join(name)
}

/// ONNX Runtime.
pub(crate) fn library() -> Library {
    let config = LibraryConfig {
        path: Some(setup("onnxruntime")),
        ..LibraryConfig::default()
    };
    Library::load(&config).unwrap()
}

/// One runtime for all tests of a binary.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Runtime::new(
            library(),
            RuntimeConfig {
                threads: 2.try_into().ok(),
                figures: None,
            },
        )
    })
}

/// The embedding model, with these variants or all.
pub(crate) fn minilm(variants: &[&str]) -> Model {
    let package = Package::open(&setup("models/minilm")).unwrap();
    let variants = variants.iter().map(ToString::to_string).collect();
    runtime()
        .load(
            &package,
            &LoadOptions {
                variants,
                providers: Vec::new(),
            },
        )
        .unwrap()
}

/// The cosine of the angle between two vectors.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
