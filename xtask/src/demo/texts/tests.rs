//! The texts show what the demo promises to show.

use super::{parse, read};

#[test]
fn there_are_enough_texts_of_every_kind() {
    let samples = read().expect("the file is there");
    let count =
        |what: &dyn Fn(&super::Sample) -> bool| samples.iter().filter(|it| what(it)).count();
    assert!(samples.len() >= 40);
    assert!(count(&|it| it.sensitive) >= 10);
    assert!(count(&|it| !it.sensitive) >= 25);
    assert!(count(&|it| it.text.len() > 1000) >= 3);
    for mode in [
        "only-on-device",
        "prefer-on-device",
        "prefer-in-cloud",
        "only-in-cloud",
    ] {
        assert!(count(&|it| it.mode.as_deref() == Some(mode)) >= 1, "{mode}");
    }
}

#[test]
fn a_line_without_a_text_is_refused() {
    let error = parse(r#"{"app": "notes"}"#).expect_err("there is no text");
    assert_eq!(error.to_string(), "`text` is missing");
}
