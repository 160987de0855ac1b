//! What a change of policy must not do, for CI.

use super::Change;
use super::sum::Sum;

/// One thing that must not happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// Content newly travels.
    Egress,
    /// Something is served by nothing.
    Denied,
    /// More of this than so many percent.
    Growth(Quantity, f64),
}

/// What may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Cost,
    Latency,
    Energy,
}

impl Quantity {
    const ALL: [(&str, Self); 3] = [
        ("cost", Self::Cost),
        ("latency", Self::Latency),
        ("energy", Self::Energy),
    ];
}

pub(super) fn parse(text: &str) -> Result<Limit, String> {
    match text {
        "egress" => return Ok(Limit::Egress),
        "denied" => return Ok(Limit::Denied),
        _ => {}
    }
    let expected =
        || format!("`{text}` is no limit, expected egress, denied, or one such as cost>5%");
    let (name, rest) = text.split_once('>').ok_or_else(expected)?;
    let (_, quantity) = Quantity::ALL
        .into_iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(expected)?;
    let percent: f64 = rest
        .trim_end_matches('%')
        .parse()
        .map_err(|_invalid| expected())?;
    if percent.is_finite() {
        Ok(Limit::Growth(quantity, percent))
    } else {
        Err(expected())
    }
}

impl Limit {
    /// How the change breaks it, if it does.
    pub(super) fn broken(self, change: &Change) -> Option<String> {
        match self {
            Self::Egress => {
                let count = change.egress.len();
                (count > 0).then(|| format!("the content of {count} requests would newly travel"))
            }
            Self::Denied => {
                let count = change.denied;
                (count > 0).then(|| format!("{count} requests would be served by nothing"))
            }
            Self::Growth(quantity, most) => {
                let (what, sum) = quantity.of(change);
                let grown = sum.is_new() || sum.percent().is_some_and(|percent| percent > most);
                grown.then(|| {
                    format!(
                        "{what} would grow by {}, more than {most} %",
                        sum.percent_text()
                    )
                })
            }
        }
    }
}

impl Quantity {
    const fn of(self, change: &Change) -> (&'static str, &Sum) {
        match self {
            Self::Cost => ("cost", &change.cost),
            Self::Latency => ("latency", &change.latency),
            Self::Energy => ("energy", &change.energy),
        }
    }
}
