//! A decision told to a person: in one line, and as a whole.

use std::fmt::Write as _;

use crate::decision::{Cause, Decision, Nothing, Row, Verdict};
use crate::facts::{Field, Read, View};
use crate::mode::Mode;

/// Longest reason, in bytes; it travels in a header.
const MAX_REASON: usize = 120;

/// Why, in one line of ASCII.
pub(crate) fn reason(decision: &Decision, mode: Mode) -> String {
    let mut text = match decision.chosen() {
        Ok(chosen) => placed(decision, chosen, mode),
        Err(Nothing::Denied) => format!("nothing may serve: {}", refusal(decision)),
        Err(Nothing::Unavailable) => {
            format!("nothing that may serve can: {}", unavailable(decision))
        }
    };
    text.retain(|c| c.is_ascii() && !c.is_ascii_control());
    text.truncate(MAX_REASON);
    text
}

fn placed(decision: &Decision, chosen: usize, mode: Mode) -> String {
    let Some(row) = decision.table.get(chosen) else {
        return String::new();
    };
    let here = row.candidate.kind;
    // What would have scored better, had it been allowed, says most.
    let refused = decision
        .table
        .iter()
        .find_map(|other| match &other.verdict {
            Verdict::Refused(cause) if other.candidate.kind != here => Some(cause),
            Verdict::Refused(_) | Verdict::Admitted(_) | Verdict::Avoided { .. } => None,
        });
    let avoided = decision
        .table
        .iter()
        .find_map(|other| match &other.verdict {
            Verdict::Avoided { by, .. } => Some(by),
            Verdict::Admitted(_) | Verdict::Refused(_) => None,
        });
    let next = decision
        .order
        .get(1)
        .and_then(|&index| decision.table.get(index));
    match (&row.verdict, refused, avoided, next) {
        (Verdict::Avoided { by, .. }, Some(cause), ..) => {
            format!(
                "{here} though rule {by} avoids it: {}",
                told(decision, cause)
            )
        }
        (_, Some(cause), ..) => format!("{here}: {}", told(decision, cause)),
        (_, None, Some(by), _) => format!("{here}: rule {by} avoids the other"),
        (_, None, None, Some(next)) => compared(row, next, mode),
        (_, None, None, None) => format!("{here}: the only candidate"),
    }
}

/// Why the best is better than the next.
fn compared(best: &Row, next: &Row, mode: Mode) -> String {
    let here = best.candidate.kind;
    let wished = match mode {
        Mode::PreferOnDevice | Mode::PreferInCloud => best.candidate.kind != next.candidate.kind,
        Mode::Unstated | Mode::OnlyOnDevice | Mode::OnlyInCloud => false,
    };
    match (best.verdict.score(), next.verdict.score()) {
        _ if wished => format!("{here}: the caller's mode is {}", mode.name()),
        (Some(a), Some(b)) => format!(
            "{here} is worth most: {} against {} USD for {}",
            dollars(a.total_usd),
            dollars(b.total_usd),
            name(next)
        ),
        _ => format!("{here}: the best of those admitted"),
    }
}

fn name(row: &Row) -> String {
    format!("{} {}", row.candidate.kind, row.candidate.variant)
}

fn refusal(decision: &Decision) -> String {
    let cause = decision.table.iter().find_map(|row| match &row.verdict {
        Verdict::Refused(cause) => Some(cause),
        Verdict::Admitted(_) | Verdict::Avoided { .. } => None,
    });
    cause.map_or_else(
        || "there is no candidate".into(),
        |cause| told(decision, cause),
    )
}

fn unavailable(decision: &Decision) -> String {
    let why = decision.table.iter().find_map(|row| match &row.verdict {
        Verdict::Refused(Cause::Unavailable(why)) => Some(why.to_string()),
        Verdict::Refused(_) | Verdict::Admitted(_) | Verdict::Avoided { .. } => None,
    });
    why.unwrap_or_default()
}

/// A cause as a person would name it.
fn told(decision: &Decision, cause: &Cause) -> String {
    match cause {
        Cause::Rule(name) => {
            let rule = decision.matched.iter().find(|rule| rule.name == *name);
            match rule.and_then(|rule| rule.because.first()) {
                Some(fact) => format!("rule {name}, {fact}"),
                None => format!("rule {name}"),
            }
        }
        Cause::Default => format!("the policy's default is boundary {}", decision.boundary),
        Cause::OnError => {
            let failed: Vec<_> = decision
                .failed_signals
                .iter()
                .map(|signal| signal.as_str())
                .collect();
            format!("onError, since signal {} failed", failed.join(", "))
        }
        Cause::Request => format!("the request came with boundary {}", decision.boundary),
        Cause::Mode => "the caller's mode".into(),
        Cause::Unavailable(why) => format!("the other cannot serve: {why}"),
    }
}

/// A fact and its value: `request.labels = [pii.email]`.
pub(crate) fn fact(field: &Field, view: View<'_>) -> String {
    let path = field.path;
    match field.read {
        Read::Bool(read) => format!("{path} = {}", read(view)),
        Read::Int(read) => format!("{path} = {}", read(view)),
        Read::Double(read) => format!("{path} = {}", read(view)),
        Read::Text(read) => format!("{path} = {}", read(view)),
        Read::Texts(read) => {
            let values: Vec<_> = read(view).iter().take(8).collect();
            format!("{path} = [{}]", values.join(", "))
        }
    }
}

/// The whole of a decision, for a terminal: one line a candidate, then what matched.
#[must_use]
pub fn explain(decision: &Decision) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", decision.reason);
    let _ = writeln!(
        text,
        "boundary {} ({})",
        decision.boundary,
        told(decision, &decision.bounded_by)
    );
    for (index, row) in decision.table.iter().enumerate() {
        let mark = if decision.order.first() == Some(&index) {
            '*'
        } else {
            ' '
        };
        let candidate = &row.candidate;
        let _ = write!(
            text,
            "{mark} {:<8} {:<10} {} {} on {:<18}",
            candidate.kind,
            candidate.site.name,
            candidate.model,
            candidate.variant,
            candidate.provider
        );
        let _ = match &row.verdict {
            Verdict::Admitted(score) => writeln!(text, " {} USD", dollars(score.total_usd)),
            Verdict::Avoided { score, by } => writeln!(
                text,
                " {} USD, avoided by rule {by}",
                dollars(score.total_usd)
            ),
            Verdict::Refused(cause) => writeln!(text, " refused: {}", told(decision, cause)),
        };
    }
    for rule in &decision.matched {
        let _ = writeln!(
            text,
            "rule {} matched ({}): {}",
            rule.name,
            rule.because.join(", "),
            rule.effects.join(", ")
        );
    }
    text
}

/// Dollars with three digits that count.
fn dollars(amount: f64) -> String {
    if amount <= 0.0 {
        return "0".into();
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the exponent of a finite double fits"
    )]
    let digits = (2.0 - amount.log10().floor()).clamp(2.0, 12.0) as usize;
    format!("{amount:.digits$}")
}
