//! The value of one fact, by the name of its field: how facts are read from documents, changed to see
//! what would be different, and shown.

use std::fmt;
use std::sync::Arc;

use super::{Facts, Field, Label, Read, View};
use crate::units::Tokens;

/// The value of a fact.
#[derive(Debug, Clone, PartialEq)]
pub enum FactValue {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// A text.
    Text(Arc<str>),
    /// A list of texts.
    Texts(Vec<Arc<str>>),
}

impl fmt::Display for FactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Most elements that are shown.
        const SHOWN: usize = 8;
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Text(value) if value.is_empty() => f.write_str("\"\""),
            Self::Text(value) => f.write_str(value),
            Self::Texts(values) => {
                let more = if values.len() > SHOWN { ", …" } else { "" };
                let shown: Vec<&str> = values.iter().take(SHOWN).map(|value| &**value).collect();
                write!(f, "[{}{more}]", shown.join(", "))
            }
        }
    }
}

impl Field {
    /// The fact's value.
    pub(crate) fn value(&self, view: View<'_>) -> FactValue {
        match self.read {
            Read::Bool(read) => FactValue::Bool(read(view)),
            Read::Int(read) => FactValue::Int(read(view)),
            Read::Double(read) => FactValue::Double(read(view)),
            Read::Text(read) => FactValue::Text(read(view).into()),
            Read::Texts(read) => FactValue::Texts(read(view).iter().map(Into::into).collect()),
        }
    }
}

impl Facts {
    /// The facts as conditions read them.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            request: &self.request,
            slow: &self.slow,
        }
    }

    /// Gives the field at `path` this value. `None` when there is no such field, or the value is none
    /// of its.
    pub(crate) fn set(&mut self, path: &str, value: FactValue) -> Option<()> {
        let Self { request, slow } = self;
        match (path, value) {
            ("request.task", FactValue::Text(text)) => request.task = text,
            ("request.tokens", FactValue::Int(count)) => {
                request.tokens = Tokens::new(u32::try_from(count).ok()?);
            }
            ("request.labels", FactValue::Texts(names)) => {
                request.labels = names.iter().map(|name| Label::new(name)).collect();
            }
            ("request.app", FactValue::Text(text)) => request.app = text,
            ("request.model", FactValue::Text(text)) => request.model = text,
            ("device.onAcPower", FactValue::Bool(on)) => slow.device.on_ac_power = on,
            ("device.batteryPercent", FactValue::Int(percent)) => {
                slow.device.battery_percent = u32::try_from(percent).ok()?;
            }
            ("device.class", FactValue::Text(text)) => slow.device.class = text,
            ("device.os", FactValue::Text(text)) => slow.device.os = text,
            ("device.memoryAvailableMib", FactValue::Int(mib)) => {
                slow.device.memory_available_mib = u64::try_from(mib).ok()?;
            }
            ("network.online", FactValue::Bool(online)) => slow.network.online = online,
            ("network.metered", FactValue::Bool(metered)) => slow.network.metered = metered,
            ("network.rttMs", FactValue::Double(ms)) if ms.is_finite() => slow.network.rtt_ms = ms,
            ("user.name", FactValue::Text(text)) => slow.user.name = text,
            ("user.groups", FactValue::Texts(names)) => slow.user.groups = names,
            ("fleet.connected", FactValue::Bool(connected)) => slow.fleet.connected = connected,
            ("fleet.ring", FactValue::Text(text)) => slow.fleet.ring = text,
            ("fleet.spentBudgets", FactValue::Texts(names)) => slow.fleet.spent_budgets = names,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    //! Every field can be given the value that it has.

    use super::super::FIELDS;
    use super::*;

    #[test]
    fn what_is_set_is_what_is_read() {
        for field in FIELDS {
            let value = match field.read {
                Read::Bool(_) => FactValue::Bool(false),
                Read::Int(_) => FactValue::Int(7),
                Read::Double(_) => FactValue::Double(7.5),
                Read::Text(_) => FactValue::Text("seven".into()),
                Read::Texts(_) => FactValue::Texts(vec!["seven".into(), "eight".into()]),
            };
            let mut facts = Facts::default();
            facts.set(field.path, value.clone()).expect(field.path);
            assert_eq!(field.value(facts.view()), value, "{}", field.path);
        }
        let mut facts = Facts::default();
        assert_eq!(facts.set("request.tokens", FactValue::Int(-1)), None);
        assert_eq!(facts.set("request.tokens", FactValue::Bool(true)), None);
        assert_eq!(
            facts.set("network.rttMs", FactValue::Double(f64::NAN)),
            None
        );
    }
}
