//! What each way of answering was worth: how much of it was right, and what it cost.

use std::time::Duration;

use super::talk::Answer;
use crate::demo::table::{microdollars, milliseconds};
use crate::terminal::{Side, Style, Terminal, fit};

/// The answers of one way.
#[derive(Debug)]
pub(crate) struct Score {
    name: &'static str,
    asked: usize,
    right: usize,
    escalated: usize,
    cost_usd: f64,
    first_tokens: Vec<Duration>,
}

impl Score {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            asked: 0,
            right: 0,
            escalated: 0,
            cost_usd: 0.0,
            first_tokens: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, answer: &Answer, is_right: bool) {
        self.asked += 1;
        self.right += usize::from(is_right);
        self.escalated += usize::from(answer.has_escalated());
        self.cost_usd += answer.cost_usd;
        self.first_tokens.push(answer.first_token);
    }

    /// The part that is right, in percent.
    fn percent(&self) -> usize {
        (100 * self.right + self.asked / 2) / self.asked.max(1)
    }
}

/// Prints the sums, one way a line.
pub(super) fn print(terminal: &Terminal, scores: &[Score], kept: usize) {
    println!();
    for score in scores {
        let mut first = score.first_tokens.clone();
        first.sort_unstable();
        let median = first.get(first.len() / 2).copied().unwrap_or_default();
        let escalated = match score.escalated {
            0 => String::new(),
            count => format!("   {count} escalated"),
        };
        let right = format!(
            "{:>3} of {} right ({} %)",
            score.right,
            score.asked,
            score.percent()
        );
        println!(
            "  {}  {}   {}   first token p50 {}{escalated}",
            fit(score.name, 20, Side::Left),
            terminal.paint(Style::Strong, &right),
            fit(&microdollars(score.cost_usd), 12, Side::Right),
            fit(&milliseconds(median), 9, Side::Right),
        );
    }
    if kept > 0 {
        let told = format!("and {kept} that hold personal data, which stayed on the laptop");
        println!("  {}", terminal.paint(Style::Good, &told));
    }
}

/// What did not go as it should: placing must be worth more than the laptop alone, for less than the
/// cloud alone.
pub(super) fn complaints(scores: &[Score]) -> Vec<String> {
    let [laptop, cloud, placed] = scores else {
        return Vec::new();
    };
    let mut complaints = Vec::new();
    if placed.right < laptop.right {
        complaints.push("placing made fewer answers right than the laptop alone".to_owned());
    }
    if placed.cost_usd >= cloud.cost_usd {
        complaints.push("placing cost more than the cloud alone".to_owned());
    }
    if placed.escalated == 0 {
        complaints.push("no answer was escalated".to_owned());
    }
    complaints
}
