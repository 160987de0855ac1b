//! Graphs that must be refused before ONNX Runtime sees them.

use proptest::prelude::*;

use super::*;

fn fixtures() -> PathBuf {
    let path = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/setup/models/fixtures/hostile"
    ));
    assert!(
        path.exists(),
        "the models of the tests are not there: run `cargo xtask setup` first"
    );
    path.to_path_buf()
}

fn check_file(name: &str) -> Result<Summary, GraphError> {
    let folder = fixtures();
    let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
    assert!(!bytes.is_empty() || name == "empty.onnx", "{name} is there");
    check(&bytes, &folder)
}

fn refused_for(name: &str, why: &str) {
    let error = check_file(name).unwrap_err().to_string();
    assert!(error.contains(why), "{name}: {error}");
}

#[test]
fn data_beside_the_model_is_found() {
    let summary = check_file("listed.onnx").unwrap();
    assert_eq!(summary.external, [PathBuf::from("weights.bin")]);
}

#[test]
fn data_outside_the_model_s_folder_is_refused_wherever_the_tensor_stands() {
    refused_for("climbing.onnx", "inside the model's folder");
    refused_for("absolute.onnx", "inside the model's folder");
    refused_for("climbing_in_subgraph.onnx", "inside the model's folder");
    refused_for("climbing_in_attribute.onnx", "inside the model's folder");
}

#[test]
fn data_behind_links_is_refused() {
    refused_for("symlink.onnx", "leads through a link");
    refused_for("hard_link.onnx", "not a plain file of its own");
}

#[test]
fn data_that_is_missing_or_too_short_is_refused() {
    refused_for("missing.onnx", "not there");
    refused_for("too_long.onnx", "ends before the data does");
}

#[test]
fn sparse_tensors_and_custom_operators_are_refused() {
    assert_eq!(check_file("sparse.onnx"), Err(GraphError::Sparse));
    refused_for("custom_domain.onnx", "com.example");
}

#[test]
fn what_is_not_a_model_is_refused() {
    for name in ["truncated.onnx", "corrupt.onnx", "empty.onnx"] {
        assert!(
            matches!(check_file(name), Err(GraphError::Malformed(_))),
            "{name}"
        );
    }
}

#[test]
fn the_height_of_the_token_table_is_read() {
    let folder = fixtures().join("../../minilm/onnx");
    let bytes = std::fs::read(folder.join("model_int8.onnx")).unwrap();
    assert_eq!(check(&bytes, &folder).unwrap().vocabulary, Some(30522));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = check(&bytes, Path::new("/nonexistent"));
    }

    #[test]
    fn no_damage_to_a_model_makes_the_reader_panic(at in 0_usize..4096, byte: u8) {
        let folder = fixtures();
        let mut bytes = std::fs::read(folder.join("climbing_in_subgraph.onnx")).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = check(&bytes, &folder);
    }
}

/// A decoder of this repository.
fn decoder() -> Vec<u8> {
    let path = "../tests/models/small/assistant/model.onnx";
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn a_decoder_is_rewritten_to_say_what_follows_the_last_token_alone() {
    let model = decoder();
    let rewritten = last_alone(&model, "logits").unwrap().unwrap();
    let folder = Path::new("/nowhere");
    assert_eq!(check(&rewritten, folder), check(&model, folder));
    // A node and a number more, and all else as it was.
    let more = rewritten.len() - model.len();
    assert!((100..300).contains(&more), "{more}");
    assert_eq!(last_alone(&model, "nothing"), Ok(None));
    assert_eq!(last_alone(&[], "logits"), Ok(None));
}

#[test]
fn a_decoder_that_is_cut_off_is_never_rewritten_into_one_that_is_not() {
    let model = decoder();
    for cut in (0..2000).chain([model.len() / 2, model.len() - 1]) {
        let cut = &model[..cut];
        if let Ok(Some(rewritten)) = last_alone(cut, "logits") {
            assert_eq!(
                check(&rewritten, Path::new("/nowhere")).is_err(),
                check(cut, Path::new("/nowhere")).is_err()
            );
        }
    }
}
