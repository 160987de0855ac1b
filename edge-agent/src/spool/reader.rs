//! Reads a spool from some sequence on, in batches, while others append.

use std::io;

use super::frame::{self, Frame};
use super::segment::Segment;
use super::{Log, Spool};

/// One outcome with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its place in the spool, from 1.
    pub(crate) sequence: u64,
    /// As it was appended.
    pub(crate) payload: Vec<u8>,
}

/// A place in a spool. It hands out only what is durable, so that a number once sent is never
/// used again.
#[derive(Debug)]
pub(crate) struct Reader {
    next: u64,
    open: Option<Open>,
}

/// A segment as far as it was durable when it was read, and how much of it has been handed out.
#[derive(Debug)]
struct Open {
    segment: Segment,
    content: Vec<u8>,
    offset: usize,
}

impl Reader {
    pub(super) fn new(next: u64) -> Self {
        Self { next, open: None }
    }

    /// The next records, at most `most`; none when all that is durable was read.
    ///
    /// What cannot be read any more, because the disk changed it, is counted as dropped and
    /// passed over.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn next_batch(&mut self, spool: &Spool, most: usize) -> io::Result<Vec<Record>> {
        let mut batch = Vec::new();
        while batch.len() < most {
            self.open_next(spool)?;
            let Some(open) = &mut self.open else { break };
            match frame::read(&open.content[open.offset..]) {
                Frame::Whole {
                    sequence,
                    payload,
                    size,
                } if sequence < open.segment.end => {
                    open.offset += size;
                    if sequence >= self.next {
                        let payload = payload.to_vec();
                        self.next = sequence + 1;
                        batch.push(Record { sequence, payload });
                    }
                }
                Frame::Whole { .. } | Frame::Cut | Frame::Damaged => self.pass_over(spool),
            }
        }
        Ok(batch)
    }

    /// Opens the segment that holds `next`; none is open when all that is durable was read.
    fn open_next(&mut self, spool: &Spool) -> io::Result<()> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| self.next < open.segment.end)
        {
            return Ok(());
        }
        self.open = None;
        if let Some(segment) = spool.log().durable_segment(self.next) {
            self.next = self.next.max(segment.first);
            let content = segment.content(&spool.dir)?;
            self.open = Some(Open {
                segment,
                content,
                offset: 0,
            });
        }
        Ok(())
    }

    /// Gives up the rest of the open segment.
    fn pass_over(&mut self, spool: &Spool) {
        if let Some(open) = self.open.take() {
            spool.log().cursor.lose(self.next..open.segment.end);
            self.next = open.segment.end;
        }
    }
}

impl Log {
    /// The segment that holds `next`, or the first one behind it, as far as it is durable.
    fn durable_segment(&self, next: u64) -> Option<Segment> {
        let segment = self.segments.iter().find(|segment| segment.end > next)?;
        let segment = Segment {
            end: segment.end.min(self.durable),
            ..*segment
        };
        (segment.end > next).then_some(segment)
    }
}
