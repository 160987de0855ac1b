//! A policy as its author wrote it, checked for shape, with every part's place in the source.

mod node;
mod read;

pub(crate) use node::parse;
pub(crate) use read::read;

use std::sync::Arc;

use crate::boundary::Boundary;
use crate::candidate::PlacementKind;
use crate::diagnostics::Span;

/// A text of the document and where it stands. `offset` is where its first character is when the
/// text stands in the source just as it is, which it does unless it was folded or escaped.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) verbatim_at: Option<usize>,
}

/// A whole policy.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) name: Arc<str>,
    pub(crate) objective: Objective,
    pub(crate) rules: Vec<RuleText>,
    pub(crate) default_boundary: Boundary,
    pub(crate) on_error: Boundary,
}

/// What a second, a watt-hour and a wrong answer are worth, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Objective {
    pub(crate) usd_per_second: f64,
    pub(crate) usd_per_watt_hour: f64,
    pub(crate) usd_per_error: f64,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            usd_per_second: 0.002,
            usd_per_watt_hour: 0.0003,
            usd_per_error: 0.05,
        }
    }
}

/// One rule, its condition not yet looked at.
#[derive(Debug, Clone)]
pub(crate) struct RuleText {
    pub(crate) name: Arc<str>,
    /// `None` holds always.
    pub(crate) when: Option<Located>,
    pub(crate) boundary: Option<Boundary>,
    pub(crate) avoid: Vec<PlacementKind>,
}
