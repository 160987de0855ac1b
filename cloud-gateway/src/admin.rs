//! What operators ask.

mod encode;
mod service;

pub(crate) use self::service::{Admin, Documents};
