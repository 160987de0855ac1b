//! The style of error messages: they are parts of a sentence that someone else finishes.

use super::Finding;
use super::house::House;

/// `#[error("…")]` begins lowercase and has no full stop.
pub(crate) fn style(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in house.sources.iter().filter(|source| source.is_rust()) {
        for at in source.says("#[error(") {
            let transparent = source.code[at..].starts_with("#[error(transparent");
            let Some(message) = source.literal(at).filter(|_| !transparent) else {
                continue;
            };
            let wrong = if begins_a_sentence(message) {
                "an error message that begins like a sentence"
            } else if message.ends_with('.') && !message.ends_with("..") {
                "an error message that ends like a sentence"
            } else {
                continue;
            };
            let instead = "begin it lowercase and end it without a full stop";
            findings.push(Finding::new(&source.path, source.line(at), wrong, instead));
        }
    }
    findings
}

/// Whether it begins with a capitalised word; a name in capitals (`ONNX`, `CEL`) is not one.
fn begins_a_sentence(message: &str) -> bool {
    let mut letters = message.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_none_or(char::is_lowercase)
}
