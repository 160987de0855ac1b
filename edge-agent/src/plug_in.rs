//! A client for `tideline.policy.v1.PolicyService`: a decider of someone's own, in any language.
//!
//! It is sent facts and candidates, never content. Deadline, breaker and `onError` are the router's.

mod decode;
mod encode;
mod link;

pub(crate) use self::link::RemotePlugIn;
