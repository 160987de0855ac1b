//! What is wrong with a policy, told to the person who wrote it: all of it in one run, each with its
//! place, the line underlined, what was expected and the nearest right thing.

use std::fmt;
use std::sync::Arc;

/// A part of the source: byte offsets, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// It can, but does hardly what its author meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the source.
    pub source: Arc<str>,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    width: usize,
    source_line: String,
}

/// Everything that is wrong with some sources. Its `Display` is made for a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.pretty())]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

/// Longest source line that is shown, in characters.
const SHOWN: usize = 160;

impl Diagnostics {
    /// Each thing that is wrong, in the order of the sources.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// Whether any of it keeps the policy from being used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|one| one.severity == Severity::Error)
    }

    /// All that the reporters collected.
    pub(crate) fn gather<'s>(reporters: impl IntoIterator<Item = Reporter<'s>>) -> Self {
        let list = reporters
            .into_iter()
            .flat_map(|report| report.finish().list);
        Self {
            list: list.collect(),
        }
    }

    fn pretty(&self) -> String {
        let mut text = String::new();
        for diagnostic in &self.list {
            if !text.is_empty() {
                text.push('\n');
            }
            diagnostic.write(&mut text);
        }
        text
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl Diagnostic {
    fn write(&self, out: &mut String) {
        use fmt::Write as _;
        let Self {
            severity,
            source,
            line,
            column,
            message,
            help,
            width,
            source_line,
        } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(column.saturating_sub(1).min(SHOWN));
        let carets = "^".repeat(*width);
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "{severity}: {message}\n{margin}--> {source}:{line}:{column}\n{margin} |\n{number} | {source_line}\n{margin} | {indent}{carets}\n"
        );
        if let Some(help) = help {
            let _ = writeln!(out, "{margin} = {help}");
        }
    }
}

/// Collects what is wrong while a document is read.
#[derive(Debug)]
pub(crate) struct Reporter<'s> {
    source_name: &'s str,
    pub(crate) source: &'s str,
    list: Vec<(Span, Diagnostic)>,
}

/// Most diagnostics that are kept: past that, the first ones say enough.
const MOST: usize = 100;

impl<'s> Reporter<'s> {
    pub(crate) fn new(source_name: &'s str, source: &'s str) -> Self {
        Self {
            source_name,
            source,
            list: Vec::new(),
        }
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.report(Severity::Error, span, message.into(), None);
    }

    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Severity::Warning, span, message.into(), Some(help.into()));
    }

    pub(crate) fn error_with_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(Severity::Error, span, message.into(), Some(help.into()));
    }

    /// Tells that `name` is not among `known`, and which of them is nearest.
    pub(crate) fn unknown<'k>(
        &mut self,
        span: Span,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        let message = format!("unknown {what} `{}`", shortened(name));
        let help = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected one of: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.report(Severity::Error, span, message, Some(help));
    }

    /// Whether there are warnings at most.
    pub(crate) fn is_clean(&self) -> bool {
        self.list
            .iter()
            .all(|(_, one)| one.severity == Severity::Warning)
    }

    pub(crate) fn finish(mut self) -> Diagnostics {
        self.list.sort_by_key(|(span, _)| span.start);
        Diagnostics {
            list: self
                .list
                .into_iter()
                .map(|(_, diagnostic)| diagnostic)
                .collect(),
        }
    }

    fn report(&mut self, severity: Severity, span: Span, message: String, help: Option<String>) {
        if self.list.len() >= MOST {
            return;
        }
        let start = floor(self.source, span.start);
        let line_start = self.source[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.source[start..]
            .find('\n')
            .map_or(self.source.len(), |i| start + i);
        let end = floor(self.source, span.end).clamp(start, line_end);
        let column = self.source[line_start..start].chars().count() + 1;
        let width = self.source[start..end].trim_end().chars().count();
        let diagnostic = Diagnostic {
            severity,
            source: self.source_name.into(),
            line: self.source[..line_start].matches('\n').count() + 1,
            column,
            message,
            help,
            width: width.clamp(1, SHOWN.saturating_sub(column).max(1)),
            source_line: self.source[line_start..line_end]
                .chars()
                .take(SHOWN)
                .map(visible)
                .collect(),
        };
        self.list.push((span, diagnostic));
    }
}

/// The nearest place at or before `at` where a character begins.
fn floor(source: &str, at: usize) -> usize {
    let at = at.min(source.len());
    (0..=at)
        .rev()
        .find(|&i| source.is_char_boundary(i))
        .unwrap_or(0)
}

/// Control characters do not reach a terminal.
fn visible(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// `name` as far as a message has room for it.
pub(crate) fn shortened(name: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = name.chars().take(LONGEST).map(visible).collect();
    if name.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// The known name that `name` most likely stands for.
fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > 128 {
        return None;
    }
    known
        .map(|candidate| {
            (
                strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
