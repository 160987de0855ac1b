//! Each decision as it falls, on two lines: what was asked and how it went, and below it why.

use std::time::Duration;

use super::api::Answer;
use super::texts::Sample;
use crate::terminal::{Side, Style, Terminal, fit, shorten};

/// The columns beside the text, with their widths.
const NUMBER: usize = 3;
const LABELS: usize = 18;
const PLACEMENT: usize = 10;
const MILLISECONDS: usize = 10;
const COST: usize = 10;

/// Prints decisions on one terminal.
#[derive(Debug)]
pub(crate) struct Table {
    terminal: Terminal,
    /// Columns for the text.
    text: usize,
}

impl Table {
    /// A table that fits this terminal.
    pub(crate) fn new(terminal: Terminal) -> Self {
        let columns = [NUMBER, LABELS, PLACEMENT, MILLISECONDS, MILLISECONDS, COST];
        let taken: usize = columns.iter().map(|width| width + 2).sum();
        Self {
            terminal,
            text: terminal.width - taken,
        }
    }

    /// The names of the columns.
    pub(crate) fn head(&self) {
        let line = self.line([
            "#",
            "text",
            "labels",
            "placement",
            "predicted",
            "actual",
            "cost",
        ]);
        println!("{}", self.terminal.paint(Style::Strong, &line));
        println!(
            "{}",
            self.terminal
                .paint(Style::Faint, &"─".repeat(self.terminal.width))
        );
    }

    /// One decision.
    pub(crate) fn row(&self, number: usize, sample: &Sample, answer: &Answer) {
        let paint = |style, text: &str| self.terminal.paint(style, text).into_owned();
        let (place, style) = placed(answer);
        let labels = labels(answer);
        let predicted = answer
            .predicted
            .map_or_else(|| "–".to_owned(), milliseconds);
        let cost = answer.cost_usd.map_or_else(|| "–".to_owned(), microdollars);
        println!(
            "{}  {}  {}  {}  {}  {}  {}",
            paint(Style::Faint, &fit(&number.to_string(), NUMBER, Side::Right)),
            fit(&sample.text, self.text, Side::Left),
            paint(Style::Warning, &fit(&labels, LABELS, Side::Left)),
            paint(style, &fit(place, PLACEMENT, Side::Left)),
            fit(&predicted, MILLISECONDS, Side::Right),
            fit(&milliseconds(answer.latency), MILLISECONDS, Side::Right),
            fit(&cost, COST, Side::Right),
        );
        let indent = " ".repeat(NUMBER + 2);
        let why = why(sample, answer);
        let why = shorten(&why, self.terminal.width - indent.len());
        println!("{indent}{}", paint(Style::Faint, &why));
    }

    fn line(&self, [number, text, labels, place, predicted, actual, cost]: [&str; 7]) -> String {
        [
            fit(number, NUMBER, Side::Right),
            fit(text, self.text, Side::Left),
            fit(labels, LABELS, Side::Left),
            fit(place, PLACEMENT, Side::Left),
            fit(predicted, MILLISECONDS, Side::Right),
            fit(actual, MILLISECONDS, Side::Right),
            fit(cost, COST, Side::Right),
        ]
        .join("  ")
    }
}

/// Where it ran, or that it did not.
fn placed(answer: &Answer) -> (&str, Style) {
    match (&answer.error, answer.placement.as_deref()) {
        (Some(_), _) => ("refused", Style::Bad),
        (None, Some("device")) => ("device", Style::Good),
        (None, Some(other)) => (other, Style::Remote),
        (None, None) => ("unknown", Style::Bad),
    }
}

/// The first kind of sensitive data, and how many more there are.
fn labels(answer: &Answer) -> String {
    match answer.labels.as_slice() {
        [] => "–".to_owned(),
        [only] => only.clone(),
        [first, more @ ..] => format!("{first} +{}", more.len()),
    }
}

/// Who asked for what, what served it, and the reason for both.
fn why(sample: &Sample, answer: &Answer) -> String {
    let mut parts = vec![sample.app.as_str()];
    parts.extend(sample.mode.as_deref());
    parts.extend(answer.served.as_deref());
    let refusal = answer
        .error
        .as_ref()
        .map(|(code, message)| format!("{code}: {message}"));
    parts.extend(refusal.as_deref());
    parts.push(&answer.reason);
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// A latency as people read it.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

/// An amount of the size that a request costs.
pub(crate) fn microdollars(usd: f64) -> String {
    if usd.abs() < 1e-12 {
        "0 µ$".to_owned()
    } else {
        format!("{:.2} µ$", usd * 1e6)
    }
}
