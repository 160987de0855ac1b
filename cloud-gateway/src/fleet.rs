//! The control stream, seen from the gateway: who is attached, and what they told of themselves.

mod decode;
mod encode;
mod registry;
mod service;
mod session;

pub(crate) use self::registry::{MOST as MOST_DEVICES, Registry, Standing};
pub(crate) use self::service::Fleet;
pub(crate) use self::session::MAX_NAME;
