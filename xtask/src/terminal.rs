//! What a person sees: how wide the terminal is, which colours it takes, and text cut to a width.

use std::borrow::Cow;
use std::io::IsTerminal;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How wide tables are where nobody says how wide the terminal is.
const USUAL_WIDTH: usize = 120;
/// Tables fit between these widths; a wider terminal gives them no more.
const WIDTHS: (usize, usize) = (100, 140);

/// Whether to colour.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Colour {
    /// No colours, as <https://no-color.org> has it
    #[arg(long, env = "NO_COLOR", hide = true)]
    no_color: Option<String>,
}

/// Where the tables go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    coloured: bool,
    /// In columns.
    pub width: usize,
}

/// What a part of the text is; the terminal knows how that looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Strong,
    Faint,
    Good,
    Remote,
    Warning,
    Bad,
}

impl Terminal {
    /// Our standard output.
    pub(crate) fn of(colour: &Colour) -> Self {
        let output = std::io::stdout();
        let plain = colour
            .no_color
            .as_deref()
            .is_some_and(|value| !value.is_empty());
        let width = width().unwrap_or(USUAL_WIDTH).clamp(WIDTHS.0, WIDTHS.1);
        Self {
            coloured: output.is_terminal() && !plain,
            width,
        }
    }

    /// The text in its style.
    pub(crate) fn paint<'a>(&self, style: Style, text: &'a str) -> Cow<'a, str> {
        let code = match style {
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Remote => "36",
            Style::Warning => "33",
            Style::Bad => "1;31",
        };
        if self.coloured {
            Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// On which side a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The text on one line of exactly `width` columns: cut with an ellipsis, or filled with spaces.
/// What does not show, and what would break the line, is left out.
pub(crate) fn fit(text: &str, width: usize, side: Side) -> String {
    let shown = |c: char| {
        if c.is_whitespace() {
            Some(' ')
        } else {
            (c.width()? > 0).then_some(c)
        }
    };
    let text: String = text.chars().filter_map(shown).collect();
    let text = shorten(&text, width);
    let fill = " ".repeat(width - text.width());
    match side {
        Side::Left => format!("{text}{fill}"),
        Side::Right => format!("{fill}{text}"),
    }
}

/// At most `width` columns of the text, with an ellipsis where something is missing.
pub(crate) fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        kept.push(c);
    }
    Cow::Owned(format!("{}…", kept.trim_end()))
}

#[cfg(unix)]
fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn width() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests;
