//! What became of requests, as agents deliver it: at least once, counted once.

mod decode;
mod service;

pub(crate) use self::service::Telemetry;
