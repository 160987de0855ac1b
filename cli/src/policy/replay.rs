//! `tideline policy replay`: recorded requests decided again under another policy.
//!
//! What would newly travel comes first. Latency and energy are compared as predicted for both places
//! at the time, with the uncertainty of those predictions; what did not move cancels out.

mod limit;
mod sum;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use router_policy::{Boundary, Candidate, Policy};
use serde_json::{Value, json};

use self::limit::Limit;
use self::sum::Sum;
use super::decode::{self, Recorded};
use super::files::Files;
use crate::client::{Failure, Gateway};
use crate::print::{Format, structured, table};

/// What to replay.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The policy to try: a file, or a folder of them.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    policy: Vec<PathBuf>,
    /// The policy or set that decides, where there are several.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Requests not older than this: 30m, 12h, 7d.
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = age)]
    since: Duration,
    /// Of this device alone.
    #[arg(long, value_name = "ID", default_value = "")]
    device: String,
    /// At most so many requests, the newest.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Fail when any of these would happen: egress, denied, cost>5%, latency>10%, energy>5%.
    #[arg(long, value_name = "LIMITS", value_delimiter = ',', value_parser = limit::parse)]
    fail_on: Vec<Limit>,
}

/// What would change.
#[derive(Debug, Default)]
struct Change {
    requests: usize,
    /// Recorded without what it takes to decide them again.
    skipped: usize,
    /// Requests whose content would newly travel.
    egress: Vec<Newly>,
    /// From one placement to another.
    moved: Vec<(String, String, usize)>,
    /// Requests that something served and nothing would.
    denied: usize,
    latency: Sum,
    cost: Sum,
    energy: Sum,
}

/// A request whose content would newly travel.
#[derive(Debug)]
struct Newly {
    decision: String,
    from: Boundary,
    to: Boundary,
    labels: Vec<String>,
}

pub(super) async fn run(
    options: Options,
    gateway: &mut Gateway,
    format: Format,
) -> Result<(), Failure> {
    let policy = super::load(&Files::read(&options.policy)?, options.name.as_deref())?;
    let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
    let outcomes = gateway.outcomes(options.device, limit).await?;
    let oldest = SystemTime::now().checked_sub(options.since);
    let recent = |request: &Recorded| {
        let began = request.started_at.zip(oldest);
        began.is_none_or(|(began, oldest)| began >= oldest)
    };
    let requests = outcomes.iter().map(decode::recorded).filter(recent);
    let change = replay(&policy, requests);
    if !structured(&to_json(&change), format)? {
        tell(&policy, &change);
    }
    let broken: Vec<String> = options
        .fail_on
        .iter()
        .filter_map(|limit| limit.broken(&change))
        .collect();
    if broken.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(broken.join("; ")))
    }
}

fn replay(policy: &Policy, requests: impl Iterator<Item = Recorded>) -> Change {
    let mut change = Change::default();
    for Recorded { id, decided, .. } in requests {
        change.requests += 1;
        let Some((record, chosen)) = decided else {
            change.skipped += 1;
            continue;
        };
        let decision = policy.replay(&record);
        let before = chosen.and_then(|at| record.candidates.get(at));
        let after = decision.chosen().ok();
        let after = after.and_then(|at| decision.candidate(at));
        let reach = |one: Option<&Candidate>| one.map_or(Boundary::Device, |one| one.site.boundary);
        if reach(after) > reach(before) {
            let labels = record.facts.request.labels.iter();
            change.egress.push(Newly {
                decision: id,
                from: reach(before),
                to: reach(after),
                labels: labels.map(ToString::to_string).collect(),
            });
        }
        change.denied += usize::from(before.is_some() && after.is_none());
        change.moved(place(before), place(after));
        if let Some((before, after)) = before.zip(after) {
            change.compare(before, after);
        }
    }
    change
}

fn place(candidate: Option<&Candidate>) -> String {
    candidate.map_or_else(
        || "nothing".into(),
        |one| format!("{} at {}", one.kind, one.site.name),
    )
}

impl Change {
    fn compare(&mut self, before: &Candidate, after: &Candidate) {
        let same = before == after;
        let amounts = |of: fn(&Candidate) -> sum::Amount| (Some(of(before)), Some(of(after)));
        let (was, is) = amounts(sum::latency);
        self.latency.add(was, is, same);
        let (was, is) = amounts(sum::energy);
        self.energy.add(was, is, same);
        self.cost.add(sum::cost(before), sum::cost(after), same);
    }

    fn moved(&mut self, from: String, to: String) {
        let known = self
            .moved
            .iter_mut()
            .find(|(a, b, _)| *a == from && *b == to);
        match known {
            Some((.., count)) => *count += 1,
            None => self.moved.push((from, to, 1)),
        }
    }
}

fn tell(policy: &Policy, change: &Change) {
    println!("{} requests under {policy}", change.requests);
    if change.skipped > 0 {
        println!(
            "{} could not be decided again: they were recorded without facts",
            change.skipped
        );
    }
    println!("\nWOULD NEWLY TRAVEL: {}", change.egress.len());
    for newly in change.egress.iter().take(20) {
        let labels = if newly.labels.is_empty() {
            "none".into()
        } else {
            newly.labels.join(", ")
        };
        println!(
            "  {} from {} to {}, labels: {labels}",
            newly.decision, newly.from, newly.to
        );
    }
    if change.egress.len() > 20 {
        println!("  and {} more", change.egress.len() - 20);
    }
    println!();
    let rows: Vec<Vec<String>> = change
        .moved
        .iter()
        .map(|(from, to, count)| {
            let to = if from == to {
                "stays".into()
            } else {
                to.clone()
            };
            vec![from.clone(), to, count.to_string()]
        })
        .collect();
    table(&["RAN", "WOULD RUN", "REQUESTS"], &rows);
    println!();
    let row = |what: &str, sum: &Sum, unit: &str| {
        vec![
            what.to_owned(),
            sum.before_text(unit),
            sum.change_text(unit),
            sum.percent_text(),
        ]
    };
    table(
        &["", "BEFORE", "CHANGE (95 %)", ""],
        &[
            row("latency", &change.latency, "s"),
            row("cost", &change.cost, "USD"),
            row("energy", &change.energy, "Wh"),
        ],
    );
    if change.denied > 0 {
        println!("\n{} requests would be served by nothing", change.denied);
    }
}

fn to_json(change: &Change) -> Value {
    let newly = |one: &Newly| json!({ "decision": one.decision, "from": one.from, "to": one.to, "labels": one.labels });
    let moved = |(from, to, count): &(String, String, usize)| json!({ "from": from, "to": to, "requests": count });
    json!({
        "requests": change.requests,
        "skipped": change.skipped,
        "egress": change.egress.iter().map(newly).collect::<Vec<_>>(),
        "placements": change.moved.iter().map(moved).collect::<Vec<_>>(),
        "denied": change.denied,
        "latencySeconds": change.latency.to_json(),
        "costUsd": change.cost.to_json(),
        "energyWattHours": change.energy.to_json(),
    })
}

/// `30m`, `12h`, `7d`.
fn age(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is no age, expected one such as 30m, 12h or 7d");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(expected)?;
    let number: u64 = number.parse().map_err(|_invalid| expected())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(expected)
}

#[cfg(test)]
mod tests;
