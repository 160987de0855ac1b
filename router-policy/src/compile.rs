//! A condition in CEL to a program over facts. What cannot be compiled is refused here, with its
//! place and the reason: nothing is interpreted later, and nothing can fail then.

mod check;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::parser::Parser;

use self::check::Checker;
use crate::diagnostics::{Reporter, Span};
use crate::document::Located;
use crate::program::Bool;

/// Longest condition, in bytes.
const MAX_BYTES: usize = 16 << 10;
/// Deepest nesting of brackets, and of anything else that the parser recurses on.
const MAX_DEPTH: u16 = 48;

/// A compiled condition.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) program: Bool,
    /// The paths of the fields that it looks at, each once.
    pub(crate) reads: Vec<&'static crate::facts::Field>,
}

/// Compiles the condition; what is wrong goes to `report`.
pub(crate) fn compile(source: &Located, report: &mut Reporter<'_>) -> Option<Condition> {
    let text = source.text.as_str();
    if text.len() > MAX_BYTES {
        let message = format!(
            "the condition has {} bytes, at most {MAX_BYTES} are read",
            text.len()
        );
        report.error(source.span, message);
        return None;
    }
    if nesting(text) > usize::from(MAX_DEPTH) {
        report.error(
            source.span,
            format!("the condition nests more than {MAX_DEPTH} deep"),
        );
        return None;
    }
    // The parser has been seen to panic on bad input; what it says then is not worth repeating.
    let parser = || {
        Parser::new()
            .max_recursion_depth(MAX_DEPTH)
            .parse_with_source_info(text)
    };
    let parsed = catch_unwind(AssertUnwindSafe(parser));
    let (expr, places) = match parsed {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(errors)) => {
            for error in &errors.errors {
                let span = span_at(source, line_column(text, error.pos), 1);
                report.error(span, format!("not valid CEL: {}", first_line(&error.msg)));
            }
            return None;
        }
        Err(_) => {
            report.error(source.span, "not valid CEL");
            return None;
        }
    };
    let mut checker = Checker::new(report, |id| match places.offset_for(id) {
        Some((start, stop)) => span_at(source, byte(text, start), length(text, start, stop)),
        None => source.span,
    });
    let program = checker.condition(&expr)?;
    let reads = checker.reads;
    Some(Condition { program, reads })
}

/// How deep brackets nest, strings not looked into: an upper bound that is cheap.
fn nesting(text: &str) -> usize {
    let mut depth: usize = 0;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    // Prefix operators recurse without brackets.
    let prefixes = |c: u8| {
        text.as_bytes()
            .split(|b| *b != c)
            .map(<[u8]>::len)
            .max()
            .unwrap_or(0)
    };
    deepest.max(prefixes(b'!')).max(prefixes(b'-'))
}

/// Where a place in the condition is in the document: exactly when the text stands there as it is,
/// else the whole condition.
fn span_at(source: &Located, offset: usize, length: usize) -> Span {
    match source.verbatim_at {
        Some(start) => Span {
            start: start + offset,
            end: start + offset + length.max(1),
        },
        None => source.span,
    }
}

/// The byte where a line and a column, both counted from 1, begin.
fn line_column(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    before
        + byte(
            text.get(before..).unwrap_or(""),
            u32::try_from(column).unwrap_or(u32::MAX),
        )
}

/// The byte where the character at `index` begins.
fn byte(text: &str, index: u32) -> usize {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    text.char_indices()
        .nth(index)
        .map_or(text.len(), |(at, _)| at)
}

fn length(text: &str, start: u32, stop: u32) -> usize {
    let end = byte(text, stop.saturating_add(1));
    end.saturating_sub(byte(text, start))
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or("syntax error")
}

#[cfg(test)]
mod tests;
