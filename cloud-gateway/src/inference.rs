//! Running what agents send: from the wire to a backend and back.

mod decode;
mod encode;
mod service;

pub(crate) use self::service::Inference;
