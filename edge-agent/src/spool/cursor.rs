//! What has left the spool: acknowledged, or dropped for want of room. One small file, replaced
//! whole.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::replace_file;

const FILE: &str = "cursor.json";

/// Counts that outlive the segments they are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Cursor {
    /// All up to and including this sequence are stored by the gateway.
    pub(super) acked: u64,
    /// Outcomes lost since the spool began: no room, or a damaged file.
    pub(super) dropped: u64,
    /// What is missing below this sequence has been counted already.
    pub(super) kept_from: u64,
}

impl Cursor {
    /// The cursor of a spool that holds nothing yet.
    pub(super) fn fresh() -> Self {
        Self {
            acked: 0,
            dropped: 0,
            kept_from: 1,
        }
    }

    /// What was written last; a spool too young to have one starts fresh.
    pub(super) fn load(dir: &Path) -> io::Result<Self> {
        match std::fs::read(dir.join(FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::fresh()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        replace_file(&dir.join(FILE), &serde_json::to_vec(self)?)
    }

    /// Counts `gap` as dropped, as far as it was neither acknowledged nor counted before.
    pub(super) fn lose(&mut self, gap: std::ops::Range<u64>) {
        let start = gap.start.max(self.acked + 1).max(self.kept_from);
        self.dropped += gap.end.saturating_sub(start);
        self.kept_from = self.kept_from.max(gap.end);
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_gap_is_counted_once_and_only_where_it_was_not_acknowledged() {
        let mut cursor = Cursor {
            acked: 4,
            ..Cursor::fresh()
        };
        cursor.lose(1..8);
        assert_eq!((cursor.dropped, cursor.kept_from), (3, 8));
        cursor.lose(1..8);
        assert_eq!(cursor.dropped, 3);
        cursor.lose(6..10);
        assert_eq!((cursor.dropped, cursor.kept_from), (5, 10));
    }
}
