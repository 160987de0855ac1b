//! One file of the spool: frames in ascending sequence, appended and never changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::frame::{self, Frame};
use crate::store::private;

/// What is known of a segment without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The sequence of its first frame, which is also its name.
    pub(super) first: u64,
    /// The sequence after its last frame.
    pub(super) end: u64,
    /// Bytes of whole frames.
    pub(super) bytes: u64,
}

impl Segment {
    pub(super) fn empty(first: u64) -> Self {
        Self {
            first,
            end: first,
            bytes: 0,
        }
    }

    pub(super) fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{:020}.log", self.first))
    }

    /// Opens it for appending, creating it when it is not there.
    pub(super) fn open(self, dir: &Path) -> io::Result<File> {
        private(OpenOptions::new().append(true).create(true)).open(self.path(dir))
    }

    pub(super) fn remove(self, dir: &Path) -> io::Result<()> {
        match fs::remove_file(self.path(dir)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The bytes of its whole frames.
    pub(super) fn content(self, dir: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(dir))?
            .take(self.bytes)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The segments of `dir`, oldest first. All but the last end where the next begins; the last one
/// ends at its last whole frame, and what is torn behind that is cut off.
pub(super) fn scan(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(first) = name.to_str().and_then(|name| name.strip_suffix(".log")) else {
            continue;
        };
        let Ok(first) = first.parse() else { continue };
        segments.push(Segment {
            first,
            end: first,
            bytes: entry.metadata()?.len(),
        });
    }
    segments.sort_unstable_by_key(|segment| segment.first);
    for index in 1..segments.len() {
        segments[index - 1].end = segments[index].first;
    }
    if let Some(last) = segments.last_mut() {
        *last = cut_torn_tail(*last, dir)?;
    }
    Ok(segments)
}

fn cut_torn_tail(segment: Segment, dir: &Path) -> io::Result<Segment> {
    let content = segment.content(dir)?;
    let mut whole = Segment::empty(segment.first);
    let mut rest = content.as_slice();
    while let Frame::Whole { sequence, size, .. } = frame::read(rest) {
        if sequence != whole.end {
            break;
        }
        whole.end += 1;
        whole.bytes += size as u64;
        rest = &rest[size..];
    }
    if whole.bytes < segment.bytes {
        segment.open(dir)?.set_len(whole.bytes)?;
    }
    Ok(whole)
}
