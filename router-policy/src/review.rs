//! What is allowed and yet hardly meant: rules that never match, that change nothing, or that leave
//! nothing to serve. Found by reasoning about the conditions, so that it is true for all facts.

use crate::boundary::Boundary;
use crate::candidate::PlacementKind;
use crate::diagnostics::Diagnostics;
use crate::link::Loaded;
use crate::policy::{Parts, Policy, Rule, Source};
use crate::program::Bool;
use crate::prove::{Answer, Claim, Normal, satisfiable};

/// Most pairs of rules that are held against each other.
const MAX_PAIRS: usize = 20_000;

/// Compiles the policy as [`Policy::load`] does, and looks it over. A policy comes back unless there
/// are errors; what was found comes back in any case.
#[must_use]
pub fn review(sources: &[Source<'_>], entry: Option<&str>) -> (Option<Policy>, Diagnostics) {
    let mut loaded = Loaded::read(sources);
    let linked = loaded.entry(entry).and_then(|entry| loaded.link(&entry));
    let Some(parts) = linked else {
        return (None, loaded.finish());
    };
    look_over(&parts, &mut loaded);
    let usable = loaded
        .is_clean()
        .then(|| Policy(std::sync::Arc::new(parts)));
    (usable, loaded.finish())
}

fn look_over(parts: &Parts, loaded: &mut Loaded<'_>) {
    let normal: Vec<Normal> = parts
        .rules
        .iter()
        .map(|rule| Normal::of(&rule.when))
        .collect();
    // A condition that could not be compiled never holds, which is not worth a word of its own.
    let clean = loaded.is_clean();
    let is_read = |rule: &Rule| clean || !matches!(rule.when, Bool::Const(false));
    let rules = parts.rules.iter().zip(&normal);
    let rules: Vec<(&Rule, &Normal)> = rules.filter(|(rule, _)| is_read(rule)).collect();
    let mut live = Vec::new();
    for (rule, when) in &rules {
        // A rule of a budget holds once that is spent, and is written only once for both.
        if satisfiable([Claim::holds(when)]) == Answer::Never {
            never(rule, loaded);
        } else {
            live.push((*rule, *when));
        }
    }
    // A default that could not be read says nothing.
    if clean {
        for (rule, _) in &live {
            alone(rule, parts.default_boundary, loaded);
        }
    }
    let mut pairs = 0;
    for (at, (rule, when)) in live.iter().enumerate() {
        for (other_at, (other, other_when)) in live.iter().enumerate() {
            if at == other_at || pairs >= MAX_PAIRS {
                continue;
            }
            let shadows = shadows(other, rule, other_at < at);
            let clashes = at < other_at && clash(rule, other);
            if !shadows && !clashes {
                continue;
            }
            pairs += 1;
            if shadows
                && satisfiable([Claim::holds(when), Claim::fails(other_when)]) == Answer::Never
            {
                let message = format!("the rule `{}` changes nothing", rule.name);
                let help = format!(
                    "wherever it holds, `{}` keeps content as close or closer",
                    other.name
                );
                loaded.warn(rule.place, message, help);
                break;
            }
            if clashes
                && matches!(
                    satisfiable([Claim::holds(when), Claim::holds(other_when)]),
                    Answer::Holds(_)
                )
            {
                let message = format!(
                    "the rules `{}` and `{}` contradict each other",
                    rule.name, other.name
                );
                let help = "what both hold for can be served by nothing: each requires what the other refuses";
                loaded.warn(other.place, message, help);
            }
        }
    }
}

fn never(rule: &Rule, loaded: &mut Loaded<'_>) {
    let message = format!("the rule `{}` can never match", rule.name);
    loaded.error(
        rule.place,
        message,
        "no facts at all make its condition true",
    );
}

/// What one rule says against itself, or for nothing.
fn alone(rule: &Rule, default: Boundary, loaded: &mut Loaded<'_>) {
    let effects = &rule.effects;
    let requires_elsewhere = effects.require.as_ref().is_some_and(|which| {
        !which.kinds.is_empty() && !which.kinds.contains(&PlacementKind::Device)
    });
    if effects.boundary == Some(Boundary::Device) && requires_elsewhere {
        let message = format!("the rule `{}` contradicts itself", rule.name);
        loaded.error(
            rule.place,
            message,
            "content stays on the device, and only other placements may serve",
        );
    }
    let only_boundary = crate::effect::Effects {
        boundary: effects.boundary,
        ..crate::effect::Effects::default()
    };
    if let Some(boundary) = effects.boundary
        && *effects == only_boundary
        && boundary >= default
    {
        let message = format!("the rule `{}` changes nothing", rule.name);
        loaded.warn(
            rule.place,
            message,
            format!("the default is boundary {default} already"),
        );
    }
}

/// Whether `other` could make `rule` needless: both do nothing but keep content, `other` as close or
/// closer. Of two that are the same the later is the needless one.
fn shadows(other: &Rule, rule: &Rule, is_earlier: bool) -> bool {
    let Some((outer, inner)) = other.effects.boundary.zip(rule.effects.boundary) else {
        return false;
    };
    let only_boundary = crate::effect::Effects {
        boundary: Some(inner),
        ..crate::effect::Effects::default()
    };
    rule.effects == only_boundary
        && (outer < inner || (outer == inner && is_earlier))
        && other.fits_around(rule)
}

fn clash(a: &Rule, b: &Rule) -> bool {
    let required = a.effects.require.as_ref().zip(b.effects.require.as_ref());
    required.is_some_and(|(a, b)| a.excludes(b))
}

#[cfg(test)]
mod tests;
