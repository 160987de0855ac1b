//! Everything a decision may look at: one typed schema. Never any content.
//!
//! [`FIELDS`] is the one table of it. Conditions are checked against the table, and the pages that
//! document the facts are checked against it too.

mod value;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::units::Tokens;

pub use self::value::FactValue;

/// A kind of sensitive data, such as `pii.email` or `secret.aws_key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(Arc<str>);

impl Label {
    /// The label of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a signal, such as `labels`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignalName(Arc<str>);

impl SignalName {
    /// The signal of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of the request itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestFacts {
    /// `embedding`, `infer`, `chat` or `completion`.
    pub task: Arc<str>,
    /// How long it is.
    pub tokens: Tokens,
    /// Kinds of sensitive data found in it.
    pub labels: Vec<Label>,
    /// The app that asks; empty when it did not say.
    pub app: Arc<str>,
    /// The model as asked for, or `auto`.
    pub model: Arc<str>,
    /// Signals that could not be computed. With any, `onError` narrows the decision.
    pub failed_signals: Vec<SignalName>,
}

/// The state of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeviceFacts {
    /// Whether it runs on mains power; a machine without a battery does.
    pub on_ac_power: bool,
    /// Charge of the battery, 0 to 100; 100 without one.
    pub battery_percent: u32,
    /// Laptops that should behave alike share it.
    pub class: Arc<str>,
    /// `linux`, `macos` or `windows`.
    pub os: Arc<str>,
    /// Memory that programs can still take.
    pub memory_available_mib: u64,
}

impl Default for DeviceFacts {
    fn default() -> Self {
        Self {
            on_ac_power: true,
            battery_percent: 100,
            class: "".into(),
            os: "".into(),
            memory_available_mib: 0,
        }
    }
}

/// The state of the network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkFacts {
    /// Whether there is one.
    pub online: bool,
    /// Whether its bytes cost money.
    pub metered: bool,
    /// Round trip to the gateway; 0 when it was never measured.
    #[serde(deserialize_with = "finite")]
    pub rtt_ms: f64,
}

/// The person at the device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UserFacts {
    /// Their name in the directory.
    pub name: Arc<str>,
    /// The groups they are in.
    pub groups: Vec<Arc<str>>,
}

/// The device's place in its fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FleetFacts {
    /// Whether the gateway is attached now.
    pub connected: bool,
    /// The ring that the device is in.
    pub ring: Arc<str>,
    /// Budgets of which this device has nothing left to spend.
    pub spent_budgets: Vec<Arc<str>>,
}

/// The facts that change seldom: not with each request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SlowFacts {
    /// The state of the device.
    pub device: DeviceFacts,
    /// The state of the network.
    pub network: NetworkFacts,
    /// The person at the device.
    pub user: UserFacts,
    /// The device's place in its fleet.
    pub fleet: FleetFacts,
}

/// All that a decision may look at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What is known of the request.
    pub request: RequestFacts,
    /// What else is known.
    #[serde(flatten)]
    pub slow: SlowFacts,
}

/// The facts as conditions read them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'f> {
    pub(crate) request: &'f RequestFacts,
    pub(crate) slow: &'f SlowFacts,
}

/// A list of texts among the facts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Texts<'f> {
    Labels(&'f [Label]),
    Names(&'f [Arc<str>]),
}

impl<'f> Texts<'f> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Labels(labels) => labels.len(),
            Self::Names(names) => names.len(),
        }
    }

    pub(crate) fn get(self, index: usize) -> Option<&'f str> {
        match self {
            Self::Labels(labels) => labels.get(index).map(Label::as_str),
            Self::Names(names) => names.get(index).map(|name| &**name),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'f str> {
        (0..self.len()).filter_map(move |index| self.get(index))
    }
}

/// How a field is read, which is also its type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    Bool(fn(View<'_>) -> bool),
    Int(fn(View<'_>) -> i64),
    Double(fn(View<'_>) -> f64),
    Text(for<'f> fn(View<'f>) -> &'f str),
    Texts(for<'f> fn(View<'f>) -> Texts<'f>),
}

/// One field of the facts.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// As conditions spell it.
    pub path: &'static str,
    /// One line about it.
    pub about: &'static str,
    pub(crate) read: Read,
}

impl Field {
    /// The name of its type in CEL.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.read {
            Read::Bool(_) => "bool",
            Read::Int(_) => "int",
            Read::Double(_) => "double",
            Read::Text(_) => "string",
            Read::Texts(_) => "list(string)",
        }
    }

    /// Whether it changes seldom: rules that look only at such fields are settled ahead.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        !self.path.starts_with("request.")
    }
}

const fn field(path: &'static str, read: Read, about: &'static str) -> Field {
    Field { path, about, read }
}

/// Every field there is.
#[rustfmt::skip]
pub static FIELDS: &[Field] = &[
    field("request.task", Read::Text(|v| &v.request.task), "`embedding`, `infer`, `chat` or `completion`"),
    field("request.tokens", Read::Int(|v| i64::from(v.request.tokens.get())), "length of the request in tokens"),
    field("request.labels", Read::Texts(|v| Texts::Labels(&v.request.labels)), "kinds of sensitive data found, such as `pii.email`"),
    field("request.app", Read::Text(|v| &v.request.app), "the app that asks, from `x-tideline-app`"),
    field("request.model", Read::Text(|v| &v.request.model), "the model asked for, or `auto`"),
    field("device.onAcPower", Read::Bool(|v| v.slow.device.on_ac_power), "on mains power, or without a battery"),
    field("device.batteryPercent", Read::Int(|v| i64::from(v.slow.device.battery_percent)), "charge of the battery, 0 to 100"),
    field("device.class", Read::Text(|v| &v.slow.device.class), "the device class"),
    field("device.os", Read::Text(|v| &v.slow.device.os), "`linux`, `macos` or `windows`"),
    field("device.memoryAvailableMib", Read::Int(|v| i64::try_from(v.slow.device.memory_available_mib).unwrap_or(i64::MAX)), "memory that programs can still take"),
    field("network.online", Read::Bool(|v| v.slow.network.online), "there is a network"),
    field("network.metered", Read::Bool(|v| v.slow.network.metered), "its bytes cost money"),
    field("network.rttMs", Read::Double(|v| if v.slow.network.rtt_ms.is_finite() { v.slow.network.rtt_ms } else { f64::MAX }), "round trip to the gateway in milliseconds"),
    field("user.name", Read::Text(|v| &v.slow.user.name), "the person's name in the directory"),
    field("user.groups", Read::Texts(|v| Texts::Names(&v.slow.user.groups)), "the groups that the person is in"),
    field("fleet.connected", Read::Bool(|v| v.slow.fleet.connected), "the gateway is attached"),
    field("fleet.ring", Read::Text(|v| &v.slow.fleet.ring), "the ring that the device is in"),
    field("fleet.spentBudgets", Read::Texts(|v| Texts::Names(&v.slow.fleet.spent_budgets)), "budgets of which this device has nothing left"),
];

/// Names that fields had before, and what they are called now. They are understood, with a warning.
pub(crate) static RENAMED: &[(&str, &str)] = &[
    ("request.tokenCount", "request.tokens"),
    ("request.application", "request.app"),
    ("device.battery", "device.batteryPercent"),
    ("device.acPower", "device.onAcPower"),
    ("user.group", "user.groups"),
];

/// Facts come from outside, and what is not a number compares with nothing.
fn finite<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(from)?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(serde::de::Error::custom("a number that is not finite"))
    }
}

/// The field of that path.
pub(crate) fn field_at(path: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.path == path)
}

#[cfg(test)]
mod tests {
    //! The page that documents the facts is the schema.

    use super::{FIELDS, Read};

    #[test]
    fn the_messages_have_the_facts_as_they_are() {
        let proto = include_str!("../../proto/tideline/policy/v1/decision.proto");
        let mut left = 0;
        for group in ["Request", "Device", "Network", "User", "Fleet"] {
            let start = format!("message {group}Facts {{");
            let message = proto
                .split(&start)
                .nth(1)
                .and_then(|rest| rest.split('}').next());
            left += message.map_or(0, |fields| fields.matches(" = ").count());
        }
        for field in FIELDS {
            let (group, name) = field.path.split_once('.').unwrap();
            let mut snake = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() {
                    snake.push('_');
                }
                snake.push(letter.to_ascii_lowercase());
            }
            // `class` is a word of some languages.
            if snake == "class" {
                snake = format!("{group}_{snake}");
            }
            let types: &[&str] = match field.read {
                Read::Bool(_) => &["bool"],
                Read::Int(_) => &["uint32", "uint64"],
                Read::Double(_) => &["double"],
                Read::Text(_) => &["string", "Task"],
                Read::Texts(_) => &["repeated string"],
            };
            let is_there = |kind: &&str| proto.contains(&format!("\n  {kind} {snake} = "));
            assert!(
                types.iter().any(is_there),
                "decision.proto lacks {}",
                field.path
            );
            left -= 1;
        }
        // What failed is no fact of conditions: onError applies.
        assert_eq!(left, 1, "decision.proto has a fact that is none");
    }

    #[test]
    fn the_page_lists_the_facts_as_they_are() {
        let page = include_str!("../../docs/policy.md");
        for field in FIELDS {
            let row = format!("| `{}` | {} | {} |", field.path, field.kind(), field.about);
            assert!(page.contains(&row), "docs/policy.md lacks: {row}");
        }
        let listed = page.split("<!-- facts:begin -->").nth(1);
        let listed = listed.and_then(|rest| rest.split("<!-- facts:end -->").next());
        let rows = listed.map_or(0, |table| table.matches("\n| `").count());
        assert_eq!(
            rows,
            FIELDS.len(),
            "docs/policy.md lists a fact that is none"
        );
    }
}
