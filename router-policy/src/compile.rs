//! A condition in CEL to a program over facts. What cannot be compiled is refused here, with its
//! place and the reason: nothing is interpreted later, and nothing can fail then.

mod check;
mod shape;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::parser::Parser;
use saphyr_parser::ScalarStyle;

use self::check::Checker;
use self::shape::Misshapen;
use crate::diagnostics::{Diagnostics, Reporter, Span};
use crate::document::Located;
use crate::program::Bool;

/// Longest condition, in bytes.
const MAX_BYTES: usize = 16 << 10;

/// Compiles the condition; what is wrong goes to `report`.
pub(crate) fn compile(source: &Located, report: &mut Reporter<'_>) -> Option<Bool> {
    let text = source.text.as_str();
    if text.len() > MAX_BYTES {
        let message = format!(
            "the condition has {} bytes, at most {MAX_BYTES} are read",
            text.len()
        );
        report.error(source.span, message);
        return None;
    }
    let places = source.places(report.source);
    if let Err(Misshapen { at, message }) = shape::check(text) {
        report.error(places.span(at, 1), message);
        return None;
    }
    // The parser has been seen to panic on bad input; what it says then is not worth repeating.
    let parser = || Parser::new().parse_with_source_info(text);
    let (expr, info) = match catch_unwind(AssertUnwindSafe(parser)) {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(errors)) => {
            for error in &errors.errors {
                let span = places.span(line_column(text, error.pos), 1);
                report.error(span, format!("not valid CEL: {}", first_line(&error.msg)));
            }
            return None;
        }
        Err(_) => {
            report.error(source.span, "not valid CEL");
            return None;
        }
    };
    let place = |id| match info.offset_for(id) {
        Some((start, stop)) => places.span(byte(text, start), length(text, start, stop)),
        None => source.span,
    };
    Checker::new(report, place).condition(&expr)
}

/// Compiles a condition that stands alone.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn compile_text(name: &str, text: &str) -> Result<Bool, Diagnostics> {
    let mut report = Reporter::new(name, text);
    let source = Located {
        text: text.to_owned(),
        span: Span {
            start: 0,
            end: text.len(),
        },
        style: ScalarStyle::Plain,
    };
    let condition = compile(&source, &mut report);
    condition.ok_or_else(|| Diagnostics::gather([report]))
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
pub(crate) mod tests;
