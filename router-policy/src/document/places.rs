//! Where the characters of a text stand in the source, however the text was written there.

use saphyr_parser::ScalarStyle;

use super::Located;
use crate::diagnostics::Span;

/// Maps offsets of a text to the source. Empty where the text was escaped, and so stands nowhere.
#[derive(Debug)]
pub(crate) struct Places<'l> {
    located: &'l Located,
    /// Where runs begin that stand in the source as they are: (offset in the text, in the source).
    runs: Vec<(usize, usize)>,
}

impl Located {
    /// Finds the text in `source`. Lines may be folded and indented, but what is not blank stands
    /// there in the same order.
    pub(crate) fn places(&self, source: &str) -> Places<'_> {
        Places {
            located: self,
            runs: self.runs(source).unwrap_or_default(),
        }
    }

    fn runs(&self, source: &str) -> Option<Vec<(usize, usize)>> {
        let quoted = match self.style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => 0,
        };
        let mut at = self.span.start + quoted;
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (offset, c) in self.text.char_indices() {
            if c.is_whitespace() {
                continue;
            }
            let rest = source.get(at..)?;
            at += rest.len() - rest.trim_start().len();
            if !source.get(at..)?.starts_with(c) {
                return None;
            }
            let follows = |(text, place): &(usize, usize)| at - place == offset - text;
            if !runs.last().is_some_and(follows) {
                runs.push((offset, at));
            }
            at += c.len_utf8();
            // A single quote is written twice between single quotes.
            if c == '\'' && self.style == ScalarStyle::SingleQuoted {
                at += 1;
            }
        }
        Some(runs)
    }
}

impl Places<'_> {
    /// The place of `length` bytes of the text from `offset`; of the whole text where that is not
    /// known.
    pub(crate) fn span(&self, offset: usize, length: usize) -> Span {
        let last = offset + length.saturating_sub(1);
        match (self.at(offset), self.at(last)) {
            (Some(start), Some(last)) => Span {
                start,
                end: last + 1,
            },
            (_, None) | (None, _) => self.located.span,
        }
    }

    fn at(&self, offset: usize) -> Option<usize> {
        let after = self.runs.partition_point(|(text, _)| *text <= offset);
        let (text, place) = self.runs.get(after.saturating_sub(1))?;
        Some(place + offset.saturating_sub(*text))
    }
}
