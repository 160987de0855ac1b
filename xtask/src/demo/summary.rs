//! What the run showed, in numbers, and whether all of it went well.

use std::time::Duration;

use super::api::Answer;
use super::gateway::Witness;
use super::table::{microdollars, milliseconds};
use super::texts::Sample;
use crate::terminal::{Side, Style, Terminal, fit};

/// One text that was sent, and what came back.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub sample: Sample,
    pub answer: Answer,
}

/// Prints the summary.
pub(crate) fn print(terminal: &Terminal, exchanges: &[Exchange], witness: &Witness) {
    let title = format!("{} requests", exchanges.len());
    println!("\n{}", terminal.paint(Style::Strong, &title));
    latencies(exchanges);
    predictions(exchanges);
    costs(exchanges);
    sensitive(terminal, exchanges, witness);
}

/// How many ran where, and how long they took.
fn latencies(exchanges: &[Exchange]) {
    let mut places: Vec<_> = exchanges.iter().map(Exchange::place).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        let there = exchanges
            .iter()
            .filter(|exchange| exchange.place() == place);
        let mut taken: Vec<_> = there.map(|exchange| exchange.answer.latency).collect();
        taken.sort_unstable();
        println!(
            "  {} {} requests   p50 {}   p95 {}",
            fit(place, 10, Side::Left),
            fit(&taken.len().to_string(), 4, Side::Right),
            fit(&milliseconds(percentile(&taken, 50)), 9, Side::Right),
            fit(&milliseconds(percentile(&taken, 95)), 9, Side::Right),
        );
    }
}

/// How far off the predicted latencies were.
fn predictions(exchanges: &[Exchange]) {
    let off = |exchange: &Exchange| {
        let predicted = exchange
            .answer
            .predicted
            .filter(|_| exchange.answer.error.is_none())?;
        Some(predicted.abs_diff(exchange.answer.latency))
    };
    let mut errors: Vec<_> = exchanges.iter().filter_map(off).collect();
    errors.sort_unstable();
    let late = errors.len().div_ceil(2);
    let mut learned: Vec<_> = exchanges.iter().skip(late).filter_map(off).collect();
    learned.sort_unstable();
    println!(
        "  predictions of the latency were off by {} (median), {} in the second half",
        milliseconds(percentile(&errors, 50)),
        milliseconds(percentile(&learned, 50)),
    );
}

/// What was paid, and what would have been.
fn costs(exchanges: &[Exchange]) {
    let paid: f64 = exchanges
        .iter()
        .filter_map(|exchange| exchange.answer.cost_usd)
        .sum();
    let cloud: f64 = exchanges
        .iter()
        .filter_map(|exchange| exchange.answer.cloud_usd)
        .sum();
    println!(
        "  cost {}, all in the cloud {}",
        microdollars(paid),
        microdollars(cloud)
    );
}

fn sensitive(terminal: &Terminal, exchanges: &[Exchange], witness: &Witness) {
    let sensitive = exchanges
        .iter()
        .filter(|exchange| exchange.sample.sensitive);
    let left = sensitive.clone().filter(|exchange| exchange.left()).count();
    let style = if left == 0 { Style::Good } else { Style::Bad };
    let told = format!(
        "{} sensitive texts, {left} left the device",
        sensitive.count()
    );
    println!("  {}", terminal.paint(style, &told));
    println!(
        "  the gateway's own count: {} requests run there, {} outcomes stored, {} of them \
         labelled and away from the device",
        witness.served, witness.outcomes, witness.sensitive_away
    );
}

/// Everything that did not go as it should.
pub(crate) fn complaints(exchanges: &[Exchange], witness: &Witness) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, exchange) in exchanges.iter().enumerate() {
        if let Some(what) = exchange.complaint() {
            complaints.push(format!("text {}: {what}", index + 1));
        }
    }
    let away = exchanges.iter().filter(|exchange| exchange.left()).count();
    let mut expect = |what: &str, found: usize, expected: usize| {
        if found != expected {
            complaints.push(format!("{what}: {found}, expected {expected}"));
        }
    };
    expect("requests that the gateway ran", witness.served, away);
    expect(
        "outcomes that the gateway stored",
        witness.outcomes,
        exchanges.len(),
    );
    expect(
        "outcomes with labels that ran away from the device",
        witness.sensitive_away,
        0,
    );
    complaints
}

impl Exchange {
    fn place(&self) -> &str {
        match (&self.answer.error, &self.answer.placement) {
            (None, Some(place)) => place,
            (None, None) => "unknown",
            (Some(_), _) => "refused",
        }
    }

    /// Whether content went anywhere.
    fn left(&self) -> bool {
        self.answer
            .placement
            .as_deref()
            .is_some_and(|place| place != "device")
    }

    fn complaint(&self) -> Option<String> {
        let Sample {
            sensitive, mode, ..
        } = &self.sample;
        let away_only = mode.as_deref() == Some("only-in-cloud");
        let Answer {
            status,
            error,
            labels,
            ..
        } = &self.answer;
        match error {
            Some((code, _)) if *sensitive && away_only && code == "policy_denied" => {}
            Some((code, message)) => return Some(format!("status {status}, {code}: {message}")),
            None if *sensitive && away_only => {
                return Some(
                    "served, though it may not leave and nothing else was asked".to_owned(),
                );
            }
            None => {}
        }
        if *sensitive == labels.is_empty() {
            return Some(format!(
                "found {labels:?} in a text that is sensitive: {sensitive}"
            ));
        }
        if *sensitive && self.left() {
            return Some("sensitive, and it left the device".to_owned());
        }
        None
    }
}

/// The nearest rank in sorted durations; zero when there are none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
