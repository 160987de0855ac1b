//! `tideline-agent`: the daemon on a laptop.

#![forbid(unsafe_code)]

mod fleet;
mod inventory;
mod sensors;
mod spool;
mod store;

pub use self::fleet::*;
pub use self::inventory::*;
pub use self::sensors::*;
pub use self::spool::{Figures, Limits, Reader, Record, Spool};
pub use self::store::{StateDir, StoreError};
