//! A decision as JSON: the same names as in a policy, nothing to look up elsewhere.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::{Decision, Verdict};
use crate::candidate::Candidate;
use crate::score::Score;

/// One candidate with what became of it in words.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'d> {
    #[serde(flatten)]
    candidate: &'d Candidate,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<Score>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avoided_by: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let table: Vec<Told<'_>> = self
            .table()
            .enumerate()
            .map(|(index, row)| Told {
                candidate: row.candidate,
                score: self.score(index),
                avoided_by: match row.verdict {
                    Verdict::Avoided { by, .. } => Some(self.rule_name(by)),
                    Verdict::Admitted { .. } | Verdict::Refused(_) => None,
                },
                refused: match row.verdict {
                    Verdict::Refused(cause) => Some(self.cause(cause)),
                    Verdict::Admitted { .. } | Verdict::Avoided { .. } => None,
                },
            })
            .collect();
        let mut told = to.serialize_struct("Decision", 13)?;
        told.serialize_field("reason", &self.reason())?;
        told.serialize_field("boundary", &self.boundary)?;
        told.serialize_field("boundedBy", &self.cause(self.bounded_by))?;
        told.serialize_field("chosen", &self.chosen().ok())?;
        told.serialize_field("order", &self.order())?;
        told.serialize_field("table", &table)?;
        told.serialize_field("matched", &self.matched())?;
        told.serialize_field("failedSignals", &self.failed_signals())?;
        told.serialize_field("budgets", &self.budgets())?;
        told.serialize_field("redact", &self.redact())?;
        let confidence = self.cascade().map(|cascade| cascade.min_confidence);
        told.serialize_field("cascadeConfidence", &confidence)?;
        told.serialize_field("policyName", self.policy.name())?;
        told.serialize_field("policyHash", &self.policy_hash())?;
        told.end()
    }
}
