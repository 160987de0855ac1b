//! A second execution provider, for real: OpenVINO from its own build of ONNX Runtime. One process
//! holds one library, so this is a test binary of its own.

mod support;

use std::time::{Duration, Instant};

use model_runtime::{
    Library, LibraryConfig, LibraryError, LoadOptions, Package, ProviderName, Runtime,
    RuntimeConfig, Version,
};
use support::{cosine, setup};

#[tokio::test]
async fn openvino_runs_the_model_and_agrees_with_the_cpu_provider() {
    let too_old = Library::load(&LibraryConfig {
        path: Some(setup("openvino")),
        ..LibraryConfig::default()
    });
    assert!(
        matches!(&too_old, Err(LibraryError::TooOld { found, .. }) if found.to_string() == "1.24.1"),
        "{too_old:?}"
    );

    let lowered = LibraryConfig {
        path: Some(setup("openvino")),
        minimum: Version {
            major: 1,
            minor: 24,
            patch: 0,
        }
        .into(),
        ..LibraryConfig::default()
    };
    let library = Library::load(&lowered).unwrap();
    let runtime = Runtime::new(
        library,
        RuntimeConfig {
            threads: 2.try_into().ok(),
            figures: None,
        },
    );
    let package = Package::open(&setup("models/minilm")).unwrap();
    let load = |provider: &str| {
        let options = LoadOptions {
            variants: vec!["fp32".into()],
            providers: vec![ProviderName::parse(provider).unwrap()],
        };
        runtime.load(&package, &options).unwrap()
    };

    let (cpu, openvino) = (load("cpu"), load("openvino"));
    let report = openvino.variants().next().unwrap();
    assert_eq!(
        (report.serving.as_str(), report.why.as_str()),
        ("openvino", "openvino was wanted")
    );
    let share = report
        .node_shares
        .iter()
        .find(|share| share.provider == "OpenVINOExecutionProvider")
        .unwrap();
    assert!(
        share.nodes > 0 && share.share > 0.5,
        "{:?}",
        report.node_shares
    );

    let soon = Instant::now() + Duration::from_secs(60);
    for text in [
        "A man is eating food.",
        "The tide comes in, and goes out again.",
    ] {
        let tokens = cpu.tokenise(text).unwrap();
        let a = cpu.embed("fp32", vec![tokens.clone()], soon).await.unwrap();
        let b = openvino.embed("fp32", vec![tokens], soon).await.unwrap();
        let likeness = cosine(&a.vectors[0], &b.vectors[0]);
        assert!(likeness > 0.9999, "{likeness}");
    }
}
