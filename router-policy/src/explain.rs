//! A decision told to a person: in one line, and as a whole.

use std::fmt::Write as _;

use crate::candidate::Availability;
use crate::decision::{Cause, Decision, MatchedRule, Nothing, Row, Verdict};
use crate::facts::View;
use crate::mode::Mode;
use crate::policy::Rule;

/// Longest reason, in bytes; it travels in a header.
const MAX_REASON: usize = 120;

/// Why, in one line of ASCII.
pub(crate) fn reason(decision: &Decision) -> String {
    let mut text = match (decision.chosen(), &decision.advice) {
        (Ok(chosen), Some(advice)) => advised(kind(decision, chosen), &advice.reason),
        (Ok(chosen), None) => placed(decision, chosen),
        (Err(Nothing::Denied), _) => format!("nothing may serve: {}", refusal(decision)),
        (Err(Nothing::Unavailable), _) => {
            format!("nothing that may serve can: {}", unavailable(decision))
        }
    };
    text.retain(|c| c.is_ascii() && !c.is_ascii_control());
    text.truncate(MAX_REASON);
    text
}

/// What a plug-in says; one of our kind says where, too.
fn advised(here: &str, reason: &str) -> String {
    if reason.starts_with(here) {
        reason.to_owned()
    } else {
        format!("{here}: {reason}")
    }
}

fn kind(decision: &Decision, index: usize) -> &'static str {
    decision.candidate(index).map_or("", |one| one.kind.name())
}

fn placed(decision: &Decision, chosen: usize) -> String {
    let row = |index: usize| decision.table().nth(index);
    let Some(best) = row(chosen) else {
        return String::new();
    };
    let here = best.candidate.kind;
    // What would have scored better, had it been allowed, says most.
    let refused = decision
        .table()
        .enumerate()
        .find_map(|(index, other)| match other.verdict {
            Verdict::Refused(cause)
                if other.candidate.kind != here && cause != Cause::NoCascade =>
            {
                Some((index, cause))
            }
            Verdict::Refused(_) | Verdict::Admitted { .. } | Verdict::Avoided { .. } => None,
        });
    let refused = refused.map(|(index, cause)| told_of(decision, index, cause));
    let avoided = decision.table().find_map(|other| match other.verdict {
        Verdict::Avoided { by, .. } => Some(decision.rule_name(by)),
        Verdict::Admitted { .. } | Verdict::Refused(_) => None,
    });
    let next = decision.order().get(1).and_then(|index| row(*index));
    match (best.verdict, refused, avoided, next) {
        (Verdict::Avoided { by, .. }, Some(cause), ..) => {
            format!(
                "{here} though rule {} avoids it: {cause}",
                decision.rule_name(by)
            )
        }
        (_, Some(cause), ..) => format!("{here}: {cause}"),
        (_, None, Some(by), _) => format!("{here}: rule {by} avoids the other"),
        (_, None, None, Some(next)) => compared(decision, best, next),
        (_, None, None, None) => format!("{here}: the only candidate"),
    }
}

/// Why the best is better than the next.
fn compared(decision: &Decision, best: Row<'_>, next: Row<'_>) -> String {
    let here = best.candidate.kind;
    let mode = decision.mode();
    let wished = match mode {
        Mode::PreferOnDevice | Mode::PreferInCloud => here != next.candidate.kind,
        Mode::Unstated | Mode::OnlyOnDevice | Mode::OnlyInCloud => false,
    };
    let preferred = decision.matched_rules().find(|rule| {
        let prefer = rule.effects.prefer.as_ref();
        prefer.is_some_and(|p| p.which.selects(best.candidate) && !p.which.selects(next.candidate))
    });
    match (best.verdict.total_usd(), next.verdict.total_usd()) {
        _ if wished => format!("{here}: the caller's mode is {}", mode.name()),
        (Some(a), Some(b))
            if a > b
                && let Some(rule) = preferred =>
        {
            format!("{here}: rule {} prefers it", rule.name)
        }
        (Some(a), Some(b)) => format!(
            "{here} is worth most: {} against {} USD for {} {}",
            dollars(a),
            dollars(b),
            next.candidate.kind,
            next.candidate.variant
        ),
        _ => format!("{here}: the best of those admitted"),
    }
}

fn refusal(decision: &Decision) -> String {
    let cause = decision
        .table()
        .enumerate()
        .find_map(|(index, row)| match row.verdict {
            Verdict::Refused(cause) => Some(told_of(decision, index, cause)),
            Verdict::Admitted { .. } | Verdict::Avoided { .. } => None,
        });
    cause.unwrap_or_else(|| "there is no candidate".into())
}

fn unavailable(decision: &Decision) -> String {
    let mut rows = decision.table().enumerate();
    let waits = |row: &Row<'_>| row.verdict == Verdict::Refused(Cause::Unavailable);
    let first = rows.find(|(_, row)| waits(row));
    let why = first.and_then(|(index, _)| decision.unavailable(index));
    why.unwrap_or_default().to_owned()
}

/// Why this candidate was refused.
fn told_of(decision: &Decision, index: usize, cause: Cause) -> String {
    match (cause, decision.unavailable(index)) {
        (Cause::Unavailable, Some(why)) => format!("the other cannot serve: {why}"),
        _ => told(decision, cause),
    }
}

/// A cause as a person would name it.
pub(crate) fn told(decision: &Decision, cause: Cause) -> String {
    let rule = |id| {
        let rule = decision.policy.0.rule(id);
        let name = decision.rule_name(id);
        match rule.and_then(|rule| because(rule, decision.view()).next()) {
            Some(fact) => format!("rule {name}, {fact}"),
            None => format!("rule {name}"),
        }
    };
    match cause {
        Cause::Rule(id) => rule(id),
        Cause::Redaction(id) => format!("{}, is to be redacted and cannot be here", rule(id)),
        Cause::Default => format!("the policy's default is boundary {}", decision.boundary),
        Cause::OnError if decision.failed_signals().is_empty() => {
            "onError, since the plug-in did not answer".into()
        }
        Cause::OnError => {
            let failed = decision.failed_signals().iter();
            let failed: Vec<_> = failed.map(|signal| signal.as_str()).collect();
            format!("onError, since signal {} failed", failed.join(", "))
        }
        Cause::Request => format!("the request came with boundary {}", decision.boundary),
        Cause::Mode => "the caller's mode".into(),
        Cause::NoCascade => "no rule asks for a cascade".into(),
        Cause::PlugIn => "the plug-in refuses it".into(),
        Cause::Unavailable => "it cannot serve now".into(),
    }
}

/// A rule that matched, with the values that made it.
pub(crate) fn matched(rule: &Rule, view: View<'_>) -> MatchedRule {
    MatchedRule {
        name: rule.name.clone(),
        effects: rule.effects.told(),
        because: because(rule, view).collect(),
    }
}

/// The facts that a rule looked at, such as `request.labels = [pii.email]`.
fn because(rule: &Rule, view: View<'_>) -> impl Iterator<Item = String> {
    let fields = rule.reads().into_iter();
    fields.map(move |field| format!("{} = {}", field.path, field.value(view)))
}

/// The whole of a decision, for a terminal: one line a candidate, what matched, and what would have
/// to be different for another to serve.
#[must_use]
pub fn explain(decision: &Decision) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", reason(decision));
    let bounded_by = told(decision, decision.bounded_by);
    let _ = writeln!(text, "boundary {} ({bounded_by})", decision.boundary);
    let _ = writeln!(text, "policy {}", decision.policy);
    for (index, row) in decision.table().enumerate() {
        write_row(decision, index, row, &mut text);
    }
    for rule in decision.matched() {
        let because = if rule.because.is_empty() {
            "always".into()
        } else {
            rule.because.join(", ")
        };
        let effects = rule.effects.join("; ");
        let _ = writeln!(text, "rule {} matched ({because}): {effects}", rule.name);
    }
    for other in decision.counterfactuals() {
        let _ = writeln!(text, "{other}");
    }
    text
}

fn write_row(decision: &Decision, index: usize, row: Row<'_>, text: &mut String) {
    let mark = if decision.order().first() == Some(&index) {
        '*'
    } else {
        ' '
    };
    let candidate = row.candidate;
    let what = format!("{} {}", candidate.model, candidate.variant);
    let _ = write!(
        text,
        "{mark} {:<8} {:<10} {:<18} {:<22}",
        candidate.kind, candidate.site.name, what, candidate.provider
    );
    let _ = match (row.verdict, &candidate.availability) {
        (Verdict::Admitted { total_usd }, _) => writeln!(text, " {} USD", dollars(total_usd)),
        (Verdict::Avoided { total_usd, by }, _) => {
            let rule = decision.rule_name(by);
            writeln!(text, " {} USD, avoided by rule {rule}", dollars(total_usd))
        }
        (Verdict::Refused(Cause::Unavailable), Availability::Unavailable(why)) => {
            writeln!(text, " cannot serve: {why}")
        }
        (Verdict::Refused(cause), _) => writeln!(text, " refused: {}", told(decision, cause)),
    };
}

/// Dollars with three digits that count.
pub(crate) fn dollars(amount: f64) -> String {
    if amount <= 0.0 {
        return "0".into();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the exponent of a finite double fits, and is clamped to what is positive"
    )]
    let digits = (2.0 - amount.log10().floor()).clamp(2.0, 12.0) as usize;
    format!("{amount:.digits$}")
}
