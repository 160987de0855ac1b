//! A `PlacementPolicy` as it is written. Every field is known or reported; nothing is guessed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::effects::{EFFECTS, effects, section_boundary};
use super::fields::Fields;
use super::node::{Node, Value};
use super::values::{name, number, text, wrong};
use super::{BudgetText, Name, Objective, PolicyText, RuleText};
use crate::diagnostics::Reporter;
use crate::units::Usd;

/// Most rules in one policy.
pub(super) const MAX_RULES: usize = 10_000;
/// Most budgets in one policy.
const MAX_BUDGETS: usize = 100;

/// Reads the policy; what is wrong goes to `report`. What comes back is only worth anything when
/// nothing was reported.
pub(super) fn read(of: Name, spec: &Node, report: &mut Reporter<'_>) -> Option<PolicyText> {
    let mut spec = Fields::of(spec, "spec", report)?;
    let policy = PolicyText {
        name: of,
        objective: spec
            .take("objective")
            .and_then(|node| Some((objective(node, report)?, node.span))),
        rules: spec
            .take("rules")
            .map(|node| unique(node, "rule", MAX_RULES, report, rule))
            .unwrap_or_default(),
        budgets: spec
            .take("budgets")
            .map(|node| unique(node, "budget", MAX_BUDGETS, report, budget))
            .unwrap_or_default(),
        default_boundary: spec
            .take("default")
            .map(|node| section_boundary(node, "default", report)),
        on_error: spec
            .take("onError")
            .map(|node| section_boundary(node, "onError", report)),
    };
    spec.finish(
        &["objective", "rules", "budgets", "default", "onError"],
        report,
    );
    Some(policy)
}

fn objective(node: &Node, report: &mut Reporter<'_>) -> Option<Objective> {
    let mut fields = Fields::of(node, "objective", report)?;
    let usual = Objective::default();
    let mut price = |name: &str, usual: f64| match fields.take(name) {
        Some(node) => number(node, report).unwrap_or(usual),
        None => usual,
    };
    let objective = Objective {
        usd_per_second: price("usdPerSecond", usual.usd_per_second),
        usd_per_watt_hour: price("usdPerWattHour", usual.usd_per_watt_hour),
        usd_per_error: price("usdPerError", usual.usd_per_error),
    };
    fields.finish(&["usdPerSecond", "usdPerWattHour", "usdPerError"], report);
    Some(objective)
}

/// What has a name of its own.
trait Named {
    fn name(&self) -> &Arc<str>;
}

impl Named for RuleText {
    fn name(&self) -> &Arc<str> {
        &self.name.text
    }
}

impl Named for BudgetText {
    fn name(&self) -> &Arc<str> {
        &self.name.text
    }
}

/// A list of what is told apart by names.
fn unique<T: Named>(
    node: &Node,
    what: &str,
    most: usize,
    report: &mut Reporter<'_>,
    read: fn(&Node, &mut Reporter<'_>) -> Option<T>,
) -> Vec<T> {
    let Value::Sequence(items) = &node.value else {
        wrong(node, &format!("a list of {what}s"), report);
        return Vec::new();
    };
    if items.len() > most {
        let message = format!("{} {what}s, at most {most} are read", items.len());
        report.error(node.span, message);
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let Some(one) = read(item, report) else {
            continue;
        };
        if !one.name().is_empty() && !names.insert(one.name().clone()) {
            let name = one.name();
            report.error(
                item.span,
                format!("a second {what} named `{name}`, names are told apart in decisions"),
            );
        }
        all.push(one);
    }
    all
}

fn rule(node: &Node, report: &mut Reporter<'_>) -> Option<RuleText> {
    let mut fields = Fields::of(node, "a rule", report)?;
    let rule = RuleText {
        name: required_name(&mut fields, node, report),
        when: fields
            .take("when")
            .and_then(|node| text(node, "a condition in CEL", report))
            .cloned(),
        effects: effects(&mut fields, report),
    };
    let known: Vec<&str> = ["name", "when"].into_iter().chain(EFFECTS).collect();
    let clean = fields.finish(&known, report);
    if clean && report.is_clean() && rule.effects.is_empty() {
        report.error_with_help(
            fields.span,
            format!("the rule `{}` does nothing", rule.name.text),
            format!("give it one of: {}", EFFECTS.join(", ")),
        );
    }
    Some(rule)
}

fn budget(node: &Node, report: &mut Reporter<'_>) -> Option<BudgetText> {
    let mut fields = Fields::of(node, "a budget", report)?;
    let budget = BudgetText {
        name: required_name(&mut fields, node, report),
        matches: fields
            .take("match")
            .and_then(|node| text(node, "a condition in CEL", report))
            .cloned(),
        per_month: fields
            .required("usdPerMonth", report)
            .and_then(|node| number(node, report))
            .and_then(Usd::new)
            .unwrap_or(Usd::ZERO),
        when_spent: fields
            .required("whenSpent", report)
            .and_then(|node| {
                let mut fields = Fields::of(node, "whenSpent", report)?;
                let effects = effects(&mut fields, report);
                fields.finish(&EFFECTS, report);
                Some(effects)
            })
            .unwrap_or_default(),
    };
    let clean = fields.finish(&["name", "match", "usdPerMonth", "whenSpent"], report);
    if clean && report.is_clean() && budget.when_spent.is_empty() {
        let message = format!(
            "nothing happens when the budget `{}` is spent",
            budget.name.text
        );
        report.error(budget.name.span, message);
    }
    Some(budget)
}

fn required_name(fields: &mut Fields<'_>, node: &Node, report: &mut Reporter<'_>) -> Name {
    fields
        .required("name", report)
        .and_then(|node| name(node, report))
        .unwrap_or_else(|| Name {
            text: "".into(),
            span: node.span,
        })
}
