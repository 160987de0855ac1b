//! The router, for agent and gateway alike: from a request to its outcome.
//!
//! It computes signals on the spot, lists what could serve, predicts each, lets the policy decide,
//! runs the request there, and reports what really happened. [`PlacementRouter`] is itself a
//! `tower::Service` like the executors that it chooses among.
//!
//! It opens no socket and reads no file: executors, facts about the device and the place where
//! outcomes go are given to it. Its one invariant: content goes to an executor beyond this site
//! only together with an `EgressPermit` minted by the decision about that very request.
#![forbid(unsafe_code)]

mod boundary;
mod catalog;
mod conditions;
mod decide;
mod dry_run;
mod estimate;
mod execute;
mod outcome;
mod route;
mod signals;
mod table;

pub use route::{Parts, PlacementRouter};

pub use table::{
    Availability, Believed, Executor, Measured, Route, RouteTable, UsdPerMillionTokens,
};

pub use estimate::p_error;
pub use execute::{BoxEgressService, Egress, OnnxExecutor};

pub use conditions::Conditions;
pub use decide::{Advising, Decider, PlugIn, PlugInConfig, PlugInError};
pub use signals::{ModelTokens, TokenCounter};

pub use outcome::{Actual, Decided, DecisionId, Journey, Outcome, OutcomeEnding, OutcomeSink};

pub use boundary::{boundary_from_policy, boundary_to_policy};
pub use catalog::{RouteCatalog, card};
