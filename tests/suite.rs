//! The whole, tested as its users meet it: real processes, real models, real clients.
//!
//! `cargo xtask test` builds the programs and sets up the models first. Nothing here reaches beyond
//! loopback; every process that a test starts ends with it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod e2e;
mod support;
