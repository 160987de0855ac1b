//! What is told about a JSON body that cannot be read: where and what, but
//! nothing of what stands there.

use serde_json::error::Category;

use crate::error::InferenceError;

/// The error for a body that is not JSON.
pub(crate) fn malformed(error: &serde_json::Error) -> InferenceError {
    match error.classify() {
        // These texts are serde_json's own and quote nothing.
        Category::Syntax | Category::Eof | Category::Io => {
            InferenceError::invalid(format!("the body is not valid JSON: {error}"))
        }
        // These may quote the value.
        Category::Data => InferenceError::invalid(format!(
            "the body is JSON of another form than expected{}",
            position(error)
        )),
    }
}

/// ` at line 1 column 2`, or nothing where the position is unknown.
pub(crate) fn position(error: &serde_json::Error) -> String {
    match error.line() {
        0 => String::new(),
        line => format!(" at line {line} column {}", error.column()),
    }
}
