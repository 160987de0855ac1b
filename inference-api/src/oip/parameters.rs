//! Parameters of the protocol and of Triton's extensions to it that would
//! change what a request means, and that are not done here.
//!
//! Others are let pass: they are hints, or names of their caller's own.

use crate::error::{ErrorKind, InferenceError};

/// Those, with what they ask for.
const REFUSED: [(&str, &str); 7] = [
    ("sequence_id", "sequences"),
    ("sequence_start", "sequences"),
    ("sequence_end", "sequences"),
    ("classification", "classification"),
    ("shared_memory_region", "shared memory"),
    ("shared_memory_byte_size", "shared memory"),
    ("shared_memory_offset", "shared memory"),
];

/// Refuses the first of `names` that asks for what is not done here.
pub(super) fn check<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<(), InferenceError> {
    for name in names {
        if let Some((parameter, what)) = REFUSED.into_iter().find(|(known, _)| known == name) {
            let message = format!("the parameter '{parameter}' asks for {what}: not supported");
            let error = InferenceError::new(ErrorKind::Unsupported, message);
            return Err(error.with_param(parameter));
        }
    }
    Ok(())
}
