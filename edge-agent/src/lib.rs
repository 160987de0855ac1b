//! `tideline-agent`: the daemon on a laptop.

#![forbid(unsafe_code)]

mod spool;
mod store;

pub use self::spool::{Figures, Limits, Reader, Record, Spool};
pub use self::store::{StateDir, StoreError};
