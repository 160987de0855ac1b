//! `tideline policy diff`: what changed in meaning, what would newly travel first.

use router_policy::{Difference, Policy, Shift, diff};
use serde_json::{Value, json};

use super::prove::example;
use crate::client::Failure;
use crate::print::{Format, structured};

pub(super) fn run(old: &Policy, new: &Policy, format: Format) -> Result<(), Failure> {
    let difference = diff(old, new);
    if !structured(&to_json(&difference), format)? {
        println!("{old} to {new}");
        tell(&difference);
    }
    Ok(())
}

fn tell(difference: &Difference) {
    let Difference {
        widened,
        narrowed,
        unknown,
        added,
        removed,
        changed,
        settings,
    } = difference;
    for shift in widened {
        println!(
            "\nNEWLY TRAVELS: {}, was {}. For example:",
            shift.to, shift.from
        );
        println!("{}", example(&shift.facts));
    }
    for shift in narrowed {
        println!(
            "\nno longer travels to {}: {} now. For example:",
            shift.from, shift.to
        );
        println!("{}", example(&shift.facts));
    }
    for boundary in unknown {
        println!("\nwhether more travels beyond {boundary} cannot be told");
    }
    if widened.is_empty() && unknown.is_empty() {
        println!("\nnothing newly travels: proved for all facts");
    }
    let list = |what: &str, names: &[std::sync::Arc<str>]| {
        for name in names {
            println!("{what} rule {name}");
        }
    };
    list("+", added);
    list("-", removed);
    for (name, what) in changed {
        println!("~ rule {name}: {what}");
    }
    for setting in settings {
        println!("~ {setting}");
    }
    if difference.is_empty() {
        println!("both mean the same");
    }
}

fn to_json(difference: &Difference) -> Value {
    let shift = |shift: &Shift| json!({ "from": shift.from, "to": shift.to, "facts": shift.facts });
    let changed =
        |(name, what): &(std::sync::Arc<str>, String)| json!({ "name": name, "what": what });
    json!({
        "widened": difference.widened.iter().map(shift).collect::<Vec<_>>(),
        "narrowed": difference.narrowed.iter().map(shift).collect::<Vec<_>>(),
        "unknown": difference.unknown,
        "added": difference.added,
        "removed": difference.removed,
        "changed": difference.changed.iter().map(changed).collect::<Vec<_>>(),
        "settings": difference.settings,
    })
}
