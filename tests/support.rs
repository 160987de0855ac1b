//! What the tests stand on: programs as processes, and where set-up put things.

pub(crate) mod api;
pub(crate) mod hub;
pub(crate) mod logs;
pub(crate) mod paths;
pub(crate) mod programs;
pub(crate) mod scripts;
