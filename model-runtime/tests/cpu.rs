//! Real models on ONNX Runtime's CPU provider.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use model_runtime::{
    DataType, Library, LibraryConfig, LibraryError, LoadError, LoadOptions, Model, Package,
    PackageError, ProviderName, RunError, Tensor, TextError, Version,
};
use support::{cosine, fixture, library, minilm, runtime, setup};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn load(package: &str, variants: &[&str]) -> Model {
    let package = Package::open(&setup(package)).unwrap();
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

async fn embed(model: &Model, variant: &str, texts: &[&str]) -> Vec<Vec<f32>> {
    let tokens = texts
        .iter()
        .map(|text| model.tokenise(text).unwrap())
        .collect();
    model.embed(variant, tokens, soon()).await.unwrap().vectors
}

#[tokio::test]
async fn the_published_similarity_comes_out() {
    let model = minilm(&["fp32"]);
    let vectors = embed(
        &model,
        "fp32",
        &["A man is eating food.", "A man is eating a piece of bread."],
    )
    .await;
    let likeness = cosine(&vectors[0], &vectors[1]);
    assert!((likeness - 0.755).abs() < 0.001, "{likeness}");
    let length: f32 = vectors[0].iter().map(|value| value * value).sum();
    assert!(
        (length - 1.0).abs() < 1e-4,
        "the model's own files ask for unit length"
    );
}

#[tokio::test]
async fn int8_is_near_enough_to_fp32() {
    let model = minilm(&[]);
    let texts = [
        "A man is eating food.",
        "The invoice is due on Friday.",
        "Ebbe und Flut wechseln zweimal am Tag.",
    ];
    let (fp32, int8) = (
        embed(&model, "fp32", &texts).await,
        embed(&model, "int8", &texts).await,
    );
    for (a, b) in fp32.iter().zip(&int8) {
        assert!(cosine(a, b) > 0.985, "{}", cosine(a, b));
    }
}

#[tokio::test]
async fn many_texts_together_equal_each_alone() {
    let model = minilm(&["fp32"]);
    let long = "the tide comes in and goes out again ".repeat(12);
    let texts: Vec<String> = (0..40)
        .map(|i| {
            if i % 7 == 0 {
                long.clone()
            } else {
                format!("text number {i}")
            }
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = embed(&model, "fp32", &texts).await;
    for (text, vector) in texts.iter().zip(&together) {
        let alone = embed(&model, "fp32", &[text]).await;
        assert!(cosine(&alone[0], vector) > 0.99999);
    }
}

#[tokio::test]
async fn token_ids_give_what_their_text_gives() {
    let model = minilm(&["fp32"]);
    // "the tide comes in" in the model's vocabulary, without the special tokens.
    let text = model.text_of(&[1996, 10401, 3310, 1999]).unwrap();
    assert_eq!(text, "the tide comes in");
    let by_ids = model.accept_tokens(&[1996, 10401, 3310, 1999]).unwrap();
    assert_eq!(by_ids, model.tokenise(&text).unwrap());
    assert_eq!(
        model.accept_tokens(&[30522]),
        Err(TextError::UnknownId {
            id: 30522,
            vocabulary: 30522
        })
    );
    assert_eq!(model.accept_tokens(&[]), Err(TextError::Empty));
}

#[tokio::test]
async fn a_long_text_is_cut_where_the_model_s_files_say() {
    let model = minilm(&["int8"]);
    assert_eq!(model.tokenise(&"tide ".repeat(5000)).unwrap().len(), 256);
}

#[tokio::test]
async fn what_serves_and_why_is_reported() {
    let model = minilm(&["int8"]);
    let report = model.variants().next().unwrap();
    assert_eq!(report.serving, ProviderName::CPU);
    assert_eq!(report.why, "cpu was wanted");
    assert!(report.speed.at(16) > 0.0);
    let share = &report.node_shares[0];
    assert_eq!(share.provider, "CPUExecutionProvider");
    assert!(share.nodes > 50 && share.share > 0.99, "{share:?}");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_set_aside_with_the_reason() {
    let package = Package::open(&setup("models/minilm")).unwrap();
    let wanted = vec![ProviderName::parse("cuda").unwrap()];
    let options = LoadOptions {
        variants: vec!["int8".into()],
        providers: wanted.clone(),
    };
    let model = runtime().load(&package, &options).unwrap();
    let report = model.variants().next().unwrap();
    assert_eq!(
        (report.wanted.as_slice(), report.serving),
        (wanted.as_slice(), ProviderName::CPU)
    );
    assert!(
        report
            .why
            .contains("cuda set aside: this ONNX Runtime (1.31.1) was not built with it"),
        "{}",
        report.why
    );
}

#[tokio::test]
async fn tensors_of_every_type_go_through_unchanged() {
    let types = [
        ("bool", DataType::Bool),
        ("uint8", DataType::Uint8),
        ("uint16", DataType::Uint16),
        ("uint32", DataType::Uint32),
        ("uint64", DataType::Uint64),
        ("int8", DataType::Int8),
        ("int16", DataType::Int16),
        ("int32", DataType::Int32),
        ("int64", DataType::Int64),
        ("fp16", DataType::Fp16),
        ("bf16", DataType::Bf16),
        ("fp32", DataType::Fp32),
        ("fp64", DataType::Fp64),
        ("bytes", DataType::Bytes),
    ];
    for (name, datatype) in types {
        let model = load(&format!("models/fixtures/identity_{name}"), &[]);
        let data = match datatype.size_bytes() {
            Some(size) => Bytes::from(vec![1; size * 3]),
            None => Bytes::from_static(b"\x02\0\0\0ab\0\0\0\0\x03\0\0\0\xe2\x82\xac"),
        };
        // One byte off, so that the values are not aligned.
        let shifted = Bytes::from([&[0], data.as_ref()].concat()).slice(1..);
        for data in [data, shifted] {
            let input = Tensor::new("input", datatype, vec![3], data.clone()).unwrap();
            let outputs = model
                .infer("default", vec![input], Vec::new(), soon())
                .await
                .unwrap();
            assert_eq!(
                (
                    outputs[0].name(),
                    outputs[0].datatype(),
                    outputs[0].shape(),
                    outputs[0].data()
                ),
                ("output", datatype, &[3][..], &data),
                "{name}"
            );
        }
        let empty = Tensor::new("input", datatype, vec![0], Bytes::new()).unwrap();
        assert_eq!(
            model
                .infer("default", vec![empty], Vec::new(), soon())
                .await
                .unwrap()[0]
                .data()
                .len(),
            0
        );
    }
}

#[tokio::test]
async fn inputs_that_the_model_does_not_take_are_told_by_name() {
    let model = load("models/fixtures/add", &[]);
    let tensor = |name: &str, datatype, shape: &[i64], bytes| {
        Tensor::new(name, datatype, shape.to_vec(), Bytes::from(vec![0; bytes])).unwrap()
    };
    let floats = |name| tensor(name, DataType::Fp32, &[2], 8);
    let check = async |inputs: Vec<Tensor>, outputs: &[&str], expected: &str| {
        let outputs = outputs.iter().map(ToString::to_string).collect();
        let error = model
            .infer("default", inputs, outputs, soon())
            .await
            .unwrap_err();
        assert_eq!(error, RunError::Input(expected.into()));
    };
    check(vec![floats("a")], &[], "the input `b` is missing").await;
    check(
        vec![floats("a"), floats("bb")],
        &[],
        "the model has no input `bb`, did you mean `b`?",
    )
    .await;
    check(
        vec![floats("a"), floats("a")],
        &[],
        "the input `a` is there twice",
    )
    .await;
    check(
        vec![floats("a"), tensor("b", DataType::Int64, &[1], 8)],
        &[],
        "the input `b` is of type Fp32, got Int64",
    )
    .await;
    check(
        vec![floats("a"), tensor("b", DataType::Fp32, &[1, 2], 8)],
        &[],
        "the input `b` has shape [-1], got [1, 2]",
    )
    .await;
    check(
        vec![floats("a"), floats("b")],
        &["total"],
        "the model has no output `total`, did you mean `sum`?",
    )
    .await;
    let mismatched = model
        .infer(
            "default",
            vec![floats("a"), tensor("b", DataType::Fp32, &[3], 12)],
            Vec::new(),
            soon(),
        )
        .await;
    assert!(
        matches!(mismatched, Err(RunError::Runtime(_))),
        "only ONNX Runtime knows that these do not go together"
    );
}

#[tokio::test]
async fn a_text_that_is_not_utf8_is_refused() {
    let model = load("models/fixtures/identity_bytes", &[]);
    let input = Tensor::new(
        "input",
        DataType::Bytes,
        vec![1],
        Bytes::from_static(b"\x01\0\0\0\xff"),
    )
    .unwrap();
    let error = model
        .infer("default", vec![input], Vec::new(), soon())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "a text is not valid UTF-8");
}

#[tokio::test]
async fn work_past_its_deadline_is_not_run() {
    let model = minilm(&["int8"]);
    let text = model.tokenise("too late").unwrap();
    let late = model.embed("int8", vec![text], Instant::now()).await;
    assert_eq!(late, Err(RunError::DeadlineExceeded));
}

#[tokio::test]
async fn what_waits_is_bounded_and_what_was_accepted_is_answered() {
    let model = minilm(&["int8"]);
    let text = model.tokenise("one of very many").unwrap();
    let mut waiting: Vec<_> = (0..1500)
        .map(|_| Box::pin(model.embed("int8", vec![text.clone()], soon())))
        .collect();
    let (mut served, mut refused) = (0, 0);
    for call in &mut waiting {
        // A first poll queues the work; all are queued before any is awaited.
        let first = futures_poll_once(call.as_mut()).await;
        refused += usize::from(matches!(first, Some(Err(RunError::Overloaded))));
        served += usize::from(matches!(first, Some(Ok(_))));
    }
    assert!(refused > 0, "1500 at once are more than may wait");
    drop(waiting);
    let after = model.embed("int8", vec![text], soon()).await;
    assert!(
        after.is_ok(),
        "those whose callers went away do not hold up others: {after:?} {served}"
    );
}

async fn futures_poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut future = Some(future);
    std::future::poll_fn(|cx| {
        let polled = future.take().map(|future| future.poll(cx));
        std::task::Poll::Ready(match polled {
            Some(std::task::Poll::Ready(output)) => Some(output),
            Some(std::task::Poll::Pending) | None => None,
        })
    })
    .await
}

#[test]
fn hostile_models_are_refused_and_others_still_load() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["truncated", "corrupt", "empty", "climbing", "sparse"] {
        let package = folder.path().join(name);
        std::fs::create_dir(&package).unwrap();
        std::fs::copy(
            fixture(&format!("hostile/{name}.onnx")),
            package.join("model.onnx"),
        )
        .unwrap();
        let package = Package::open(&package).unwrap();
        let error = runtime()
            .load(&package, &LoadOptions::default())
            .unwrap_err();
        assert!(
            matches!(error, LoadError::Package(PackageError::Graph { .. })),
            "{name}: {error}"
        );
    }
    load("models/fixtures/add", &[]);
}

#[test]
fn a_file_that_is_not_the_manifest_s_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.yaml", "model.onnx"] {
        std::fs::copy(fixture(&format!("add/{file}")), folder.path().join(file)).unwrap();
    }
    let mut bytes = std::fs::read(folder.path().join("model.onnx")).unwrap();
    bytes.push(0);
    std::fs::write(folder.path().join("model.onnx"), bytes).unwrap();
    let error = runtime()
        .load(
            &Package::open(folder.path()).unwrap(),
            &LoadOptions::default(),
        )
        .unwrap_err();
    assert!(
        matches!(error, LoadError::Package(PackageError::Digest { .. })),
        "{error}"
    );
}

#[test]
fn a_manifest_that_leads_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string(fixture("add/model.yaml")).unwrap();
    std::fs::write(
        folder.path().join("model.yaml"),
        manifest.replace("file: model.onnx", "file: ../model.onnx"),
    )
    .unwrap();
    let error = Package::open(folder.path()).unwrap_err();
    assert!(matches!(error, PackageError::Path { .. }), "{error}");
    std::fs::write(
        folder.path().join("model.yaml"),
        manifest.replace("precision", "precison"),
    )
    .unwrap();
    let error = Package::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("precison") && error.contains("line"),
        "{error}"
    );
}

#[test]
fn a_tokenizer_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("tokenizer.json", "tokenizer.json"),
        ("onnx/model_int8.onnx", "model_int8.onnx"),
    ] {
        std::fs::copy(setup("models/minilm").join(from), folder.path().join(to)).unwrap();
    }
    let tokenizer = std::fs::read_to_string(folder.path().join("tokenizer.json")).unwrap();
    let larger = tokenizer
        .replacen("\"vocab\":{", "\"vocab\":{\"one-too-many\":30522,", 1)
        .replacen("\"vocab\": {", "\"vocab\": {\"one-too-many\":30522,", 1);
    assert_ne!(larger, tokenizer);
    std::fs::write(folder.path().join("tokenizer.json"), larger).unwrap();
    let error = runtime()
        .load(
            &Package::open(folder.path()).unwrap(),
            &LoadOptions::default(),
        )
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not fit the model: it has 30523 tokens, the model has rows for 30522"),
        "{error}"
    );
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    let error = runtime()
        .load(
            &Package::open(folder.path()).unwrap(),
            &LoadOptions::default(),
        )
        .unwrap_err();
    assert!(
        matches!(
            error,
            LoadError::Tokenizer {
                source: TextError::Unreadable(_),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_missing_library_names_where_it_was_looked_for() {
    let nowhere = LibraryConfig {
        path: Some("/nonexistent/libonnxruntime.so".into()),
        ..LibraryConfig::default()
    };
    let error = Library::load(&nowhere).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no ONNX Runtime library at /nonexistent/libonnxruntime.so, expected a file such as libonnxruntime.so.1.31.1"
    );
}

#[test]
fn a_library_that_is_too_old_or_a_second_one_is_refused() {
    let loaded = library();
    assert_eq!(loaded.version().to_string(), "1.31.1");
    assert!(loaded.version() > Version::FLOOR);
    let other = LibraryConfig {
        path: Some(setup("openvino")),
        ..LibraryConfig::default()
    };
    assert!(matches!(
        Library::load(&other),
        Err(LibraryError::AnotherIsLoaded { .. })
    ));
}

#[test]
fn the_processor_is_listed() {
    let devices = library().devices();
    assert!(
        devices
            .iter()
            .any(|device| device.provider == "CPUExecutionProvider"),
        "{devices:?}"
    );
}
