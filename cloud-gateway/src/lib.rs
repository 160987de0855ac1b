//! `tideline-gateway`: the service that laptops connect to.
//!
//! It keeps what agents tell of themselves and of their outcomes, tells them what it can serve, and
//! serves it. Its one invariant: a request runs here only when the boundary that came with it reaches
//! this site, and an outcome is acknowledged only once it is stored.
#![forbid(unsafe_code)]

mod access;
mod admin;
mod api;
mod backends;
mod budgets;
mod config;
mod fleet;
mod gateway;
mod hints;
mod inference;
mod outcomes;
mod store;
mod telemetry;

pub use self::config::{
    ChatContinuation, Cli, Command, Config, ConfigError, LogConfig, LogFormat, MaxTokensParameter,
    RunOptions, UpstreamConfig, UpstreamKind, UpstreamModel, UpstreamTask, UpstreamTimeouts,
};
pub use self::gateway::{Addresses, BoundGateway, Gateway};

#[cfg(test)]
mod tests;
