//! Which policy exactly: the digest of its text.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Identifies a policy by its exact text: SHA-256 of its sources.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PolicyHash([u8; 32]);

impl PolicyHash {
    /// What stands for no document at all.
    pub(crate) const NONE: Self = Self([0; 32]);

    /// Of the texts, in their order.
    pub(crate) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut digest = Sha256::new();
        for (index, text) in texts.enumerate() {
            if index > 0 {
                digest.update([0]);
            }
            digest.update(text);
        }
        Self(digest.finalize().into())
    }

    /// All 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        let mut text = String::with_capacity(2 * self.0.len());
        text.extend(digits(&self.0));
        text
    }
}

impl fmt::Display for PolicyHash {
    /// The first 12 hexadecimal digits: enough to tell versions apart in a header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = digits(&self.0).take(12);
        first.try_for_each(|digit| f.write_char(digit))
    }
}

/// Two hexadecimal digits for each byte. Each request's outcome tells a hash, so it is done by hand.
fn digits(bytes: &[u8]) -> impl Iterator<Item = char> {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.filter_map(|half| char::from_digit(half.into(), 16))
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<PolicyHash> for String {
    fn from(hash: PolicyHash) -> Self {
        hash.to_hex()
    }
}

/// A text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a SHA-256 digest of 64 hexadecimal digits")]
pub struct NotADigest;

impl TryFrom<String> for PolicyHash {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(NotADigest);
        }
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_not_ascii| NotADigest)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_not_hex| NotADigest)?;
        }
        Ok(Self(digest))
    }
}
