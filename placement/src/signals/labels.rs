//! Kinds of sensitive data in the text of a request.
//!
//! Each detector is a pattern that finds places worth a look, and a check that decides: a card
//! number must satisfy Luhn, an IBAN its check digits. Text is only ever read here; what comes out
//! is the kind of data that was found, never the data.
//!
//! Its one invariant: a label is missed only when no detector knows the shape, never because the
//! text was long, or written with look-alike digits or invisible characters in between.

mod checks;
mod fold;
mod pii;
mod secrets;
mod seen;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use router_policy::{Label, RequestFacts};

use super::Failed;
use super::content::Content;

/// One kind of sensitive data: where to look, and how to be sure.
struct Detector {
    label: &'static str,
    /// ASCII pattern over bytes; finds candidates.
    pattern: &'static str,
    /// Whether a candidate really is one. `before` and `after` are the bytes around it.
    check: fn(&Candidate<'_>) -> bool,
}

/// A place that a pattern found.
struct Candidate<'t> {
    found: &'t [u8],
    before: Option<u8>,
    after: Option<u8>,
}

/// The detectors, compiled once: a set that says in one pass which of them have anything to look
/// at, and each alone for the places.
struct Compiled {
    detectors: Vec<(&'static Detector, Regex)>,
    any: RegexSet,
}

/// Bounds the memory of each compiled pattern.
const PATTERN_BYTES: usize = 4 << 20;

static COMPILED: LazyLock<Option<Compiled>> = LazyLock::new(|| compile().ok());

/// The signal: the labels of all text. It fails when there is anything that text cannot be read
/// from, since nothing can be said of that.
pub(super) fn find(content: &Content<'_>, facts: &mut RequestFacts) -> Result<(), Failed> {
    for text in &content.texts {
        let found = seen::labels(text, || {
            let mut found = Vec::new();
            scan(text, &mut found).map(|()| found)
        })?;
        for label in found {
            if !facts.labels.contains(&label) {
                facts.labels.push(label);
            }
        }
    }
    if content.opaque { Err(Failed) } else { Ok(()) }
}

/// Adds to `found` the label of every kind of sensitive data in `text`, each once. It fails when
/// the detectors themselves could not be built.
fn scan(text: &str, found: &mut Vec<Label>) -> Result<(), Failed> {
    let compiled = COMPILED.as_ref().ok_or(Failed)?;
    let folded = fold::fold(text);
    let bytes = folded.as_bytes();
    for index in &compiled.any.matches(bytes) {
        let Some((detector, pattern)) = compiled.detectors.get(index) else {
            continue;
        };
        let known = found.iter().any(|label| label.as_str() == detector.label);
        if !known && holds(detector, pattern, bytes) {
            found.push(Label::new(detector.label));
        }
    }
    Ok(())
}

/// Whether any candidate in `text` passes the detector's check. Candidates may overlap: after one
/// that fails, the search goes on one byte further, so that a decoy cannot hide what follows it.
fn holds(detector: &Detector, pattern: &Regex, text: &[u8]) -> bool {
    let mut from = 0;
    while let Some(found) = pattern.find_at(text, from) {
        let candidate = Candidate {
            found: found.as_bytes(),
            before: found
                .start()
                .checked_sub(1)
                .and_then(|i| text.get(i).copied()),
            after: text.get(found.end()).copied(),
        };
        if (detector.check)(&candidate) {
            return true;
        }
        from = found.start() + 1;
    }
    false
}

fn compile() -> Result<Compiled, regex::Error> {
    let all = || pii::DETECTORS.iter().chain(secrets::DETECTORS);
    let any = RegexSetBuilder::new(all().map(|d| d.pattern))
        .unicode(false)
        .size_limit(PATTERN_BYTES)
        .build()?;
    let detectors = all()
        .map(|d| {
            let pattern = RegexBuilder::new(d.pattern)
                .unicode(false)
                .size_limit(PATTERN_BYTES)
                .build()?;
            Ok((d, pattern))
        })
        .collect::<Result<_, regex::Error>>()?;
    Ok(Compiled { detectors, any })
}

impl Candidate<'_> {
    /// Whether it stands alone: no letter or digit touches it.
    fn stands_alone(&self) -> bool {
        let free = |b: Option<u8>| b.is_none_or(|b| !b.is_ascii_alphanumeric() && b != b'_');
        free(self.before) && free(self.after)
    }

    /// Whether a digit touches it, so that it is a part of a longer number.
    fn inside_a_number(&self) -> bool {
        let digit = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_digit());
        digit(self.before) || digit(self.after)
    }
}
