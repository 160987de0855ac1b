//! The decision: facts and candidates in, a placement with its reasons out.
//!
//! Pure: no I/O, no clock, no randomness, nothing asynchronous, and no order that differs from one
//! run to the next. The same question always gives the same decision.
//!
//! Its one invariant: nothing widens. The boundary of a decision is the smallest of all that apply,
//! what is missing or failed counts as the narrowest, and the permit to let content leave can be had
//! from a decision alone.
#![forbid(unsafe_code)]

mod boundary;
mod budget;
mod candidate;
mod compile;
mod confidence;
mod counterfactual;
mod decide;
mod decision;
mod diagnostics;
mod diff;
mod document;
mod effect;
mod estimate;
mod explain;
mod facts;
mod hash;
mod index;
mod link;
mod mode;
mod permit;
mod policy;
mod program;
mod proof;
mod prove;
mod replay;
mod review;
mod schema;
mod score;
mod settle;
mod suite;
mod units;

pub use decide::Question;
pub use hash::{NotADigest, PolicyHash};
pub use policy::{Budget, Policy, RuleId, Source};
pub use settle::Settled;

pub use boundary::{Boundary, UnknownBoundary};
pub use facts::{
    DeviceFacts, FIELDS, FactValue, Facts, Field, FleetFacts, Label, NetworkFacts, RequestFacts,
    SignalName, SlowFacts, UserFacts,
};
pub use mode::Mode;

pub use budget::{
    Answer, Ask, Held, Lease, LeaseId, Ledger, Micros, Moment, Month, Report, Wallet,
};
pub use candidate::{Availability, Candidate, PlacementKind, Prediction, Site};
pub use confidence::ConfidenceEstimator;
pub use effect::{Cascade, Fallback};
pub use estimate::{Expected, LatencyEstimator};
pub use units::{NotAnAmount, Probability, Seconds, Tokens, Usd, WattHours};

pub use counterfactual::{Change, Counterfactual};
pub use decision::{Advice, Cause, Decision, MatchedRule, Nothing, Row, Verdict};
pub use explain::explain;
pub use permit::EgressPermit;
pub use replay::Record;
pub use score::Score;

pub use diff::{Difference, Shift, diff};
pub use proof::Proof;
pub use review::review;
pub use schema::schema;

pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use suite::{Case, Suite, read_request, run_tests};
