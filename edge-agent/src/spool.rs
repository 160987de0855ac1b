//! The spool: outcomes on their way to the gateway, kept until it has stored them.
//!
//! A log of segments in one folder. An outcome is appended with one `write` on the request's path,
//! so it survives the death of this process at any moment; [`Spool::sync`], called by the task that
//! delivers, makes it survive the machine's. It never interprets what it keeps and never grows past
//! its limits: the oldest segment goes first, and what is lost is counted. Its invariants:
//!
//! - sequence numbers begin at 1 and have no gaps but those that are counted as dropped;
//! - a sequence number that was given out for delivery is never given to another outcome.

mod cursor;
mod frame;
mod reader;
mod segment;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use ulid::Ulid;

use self::cursor::Cursor;
use self::segment::Segment;
use crate::store::{create_private_dir, replace_file, sync_dir};

pub(crate) use self::reader::{Reader, Record};

/// How much a spool may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of one segment; what is dropped is dropped a segment at a time.
    pub(crate) segment_bytes: u64,
    /// Bytes of all segments.
    pub(crate) total_bytes: u64,
    /// How long an outcome waits for a gateway before it is dropped.
    pub(crate) age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 20,
            total_bytes: 64 << 20,
            age: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// What a spool holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Outcomes that wait for the gateway's acknowledgement.
    pub(crate) waiting: u64,
    /// Outcomes lost since the spool began.
    pub(crate) dropped: u64,
    /// Bytes on the disk.
    pub(crate) bytes: u64,
}

/// A durable queue of encoded outcomes. Shared by reference: any number append, one delivers.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    id: String,
    limits: Limits,
    log: Mutex<Log>,
    appended: Notify,
}

/// Everything that changes, under one short lock.
#[derive(Debug)]
struct Log {
    /// Oldest first; the last one is being written.
    segments: Vec<Segment>,
    tail: File,
    cursor: Cursor,
    /// All sequences below this are on the disk.
    durable: u64,
    /// Files closed for appending that were not synced yet.
    unsynced: Vec<File>,
    frame: Vec<u8>,
}

impl Spool {
    /// Opens the spool in `dir`, or begins one. A tail torn by a crash is cut off.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read or written.
    pub(crate) fn open(dir: &Path, limits: Limits) -> io::Result<Self> {
        create_private_dir(dir)?;
        let mut segments = segment::scan(dir)?;
        let id = if segments.is_empty() {
            begin(dir)?
        } else {
            read_id(dir)?
        };
        let mut cursor = Cursor::load(dir)?;
        let first = segments.first().map_or(1, |segment| segment.first);
        cursor.lose(cursor.kept_from..first);
        if segments.is_empty() {
            segments.push(Segment::empty(1));
        }
        let last = segments[segments.len() - 1];
        let mut log = Log {
            tail: last.open(dir)?,
            segments,
            cursor,
            durable: 0,
            unsynced: Vec::new(),
            frame: Vec::new(),
        };
        for segment in &log.segments {
            segment.open(dir)?.sync_data()?;
        }
        sync_dir(dir)?;
        log.durable = last.end;
        log.forget_acked(dir)?;
        log.cursor.save(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            id,
            limits,
            log: Mutex::new(log),
            appended: Notify::new(),
        })
    }

    /// Names this spool: a new one numbers its outcomes from 1 again.
    #[must_use]
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Keeps one outcome and gives it the next sequence number. One `write`, no sync.
    ///
    /// # Errors
    /// When it is longer than 256 KiB or the disk refuses it; it is then counted as dropped.
    pub(crate) fn append(&self, payload: &[u8]) -> io::Result<u64> {
        let mut log = self.log();
        let appended = self.append_locked(&mut log, payload);
        if appended.is_err() {
            log.cursor.dropped += 1;
        }
        drop(log);
        self.appended.notify_one();
        appended
    }

    /// Waits until something was appended since the last call.
    pub(crate) async fn wait(&self) {
        self.appended.notified().await;
    }

    /// Makes all that was appended durable, and drops what is too old by `now`.
    ///
    /// # Errors
    /// When the disk refuses; what was not durable stays so.
    pub(crate) fn sync(&self, now: SystemTime) -> io::Result<()> {
        let (closed, tail, end) = {
            let mut log = self.log();
            let end = log.end();
            if log.durable == end && log.unsynced.is_empty() {
                return Ok(());
            }
            (
                std::mem::take(&mut log.unsynced),
                log.tail.try_clone()?,
                end,
            )
        };
        let synced = closed
            .iter()
            .try_for_each(File::sync_data)
            .and_then(|()| tail.sync_data());
        let synced = synced.and_then(|()| sync_dir(&self.dir));
        let mut log = self.log();
        if let Err(error) = synced {
            log.unsynced.extend(closed);
            return Err(error);
        }
        log.durable = log.durable.max(end);
        self.drop_old(&mut log, now)
    }

    /// Begins to read after what was acknowledged.
    #[must_use]
    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self.log().cursor.acked + 1)
    }

    /// Forgets everything up to and including `through`: the gateway has stored it.
    ///
    /// # Errors
    /// When the disk refuses; the gateway is then told again, which does no harm.
    pub(crate) fn ack(&self, through: u64) -> io::Result<()> {
        let mut log = self.log();
        let through = through.min(log.durable.saturating_sub(1));
        if through <= log.cursor.acked {
            return Ok(());
        }
        log.cursor.acked = through;
        if through + 1 == log.end() && log.tail_segment().bytes > self.limits.segment_bytes / 8 {
            self.rotate(&mut log)?;
        }
        log.cursor.save(&self.dir)?;
        log.forget_acked(&self.dir)
    }

    /// What it holds now.
    #[must_use]
    pub(crate) fn figures(&self) -> Figures {
        let log = self.log();
        let waiting_from = log.segments[0].first.max(log.cursor.acked + 1);
        Figures {
            waiting: log.end().saturating_sub(waiting_from),
            dropped: log.cursor.dropped,
            bytes: log.bytes(),
        }
    }

    fn append_locked(&self, log: &mut Log, payload: &[u8]) -> io::Result<u64> {
        if payload.len() > frame::MAX_PAYLOAD {
            return Err(io::Error::other(
                "an outcome of more than 256 KiB does not fit the spool",
            ));
        }
        if log.tail_segment().bytes >= self.limits.segment_bytes {
            self.rotate(log)?;
            self.drop_oldest(log)?;
        }
        let sequence = log.end();
        let mut frame = std::mem::take(&mut log.frame);
        frame.clear();
        frame::write(&mut frame, sequence, payload);
        let written = log.tail.write_all(&frame);
        let size = frame.len() as u64;
        log.frame = frame;
        if let Err(error) = written {
            // What a refused write left behind must not stand before the next frame.
            log.tail.set_len(log.tail_segment().bytes)?;
            return Err(error);
        }
        let tail = log.tail_segment_mut();
        tail.end += 1;
        tail.bytes += size;
        Ok(sequence)
    }

    /// Begins a new segment, unless the last one is empty.
    fn rotate(&self, log: &mut Log) -> io::Result<()> {
        let next = Segment::empty(log.end());
        if next.first == log.tail_segment().first {
            return Ok(());
        }
        let closed = std::mem::replace(&mut log.tail, next.open(&self.dir)?);
        log.segments.push(next);
        log.unsynced.push(closed);
        Ok(())
    }

    /// Makes room: the oldest segments go, whether delivered or not.
    fn drop_oldest(&self, log: &mut Log) -> io::Result<()> {
        while log.segments.len() > 1 && log.bytes() > self.limits.total_bytes {
            log.drop_first(&self.dir)?;
        }
        Ok(())
    }

    fn drop_old(&self, log: &mut Log, now: SystemTime) -> io::Result<()> {
        while log.segments.len() > 1 {
            let modified = log.segments[0].path(&self.dir).metadata()?.modified()?;
            if now.duration_since(modified).unwrap_or_default() <= self.limits.age {
                break;
            }
            log.drop_first(&self.dir)?;
        }
        Ok(())
    }

    /// A panic while the lock was held leaves nothing half done that the next call cannot see.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn tail_segment(&self) -> Segment {
        self.segments[self.segments.len() - 1]
    }

    fn tail_segment_mut(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    /// The sequence that the next outcome gets.
    fn end(&self) -> u64 {
        self.tail_segment().end
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Deletes first and counts then: a crash between the two leaves a gap that the next start
    /// counts.
    fn drop_first(&mut self, dir: &Path) -> io::Result<()> {
        let oldest = self.segments[0];
        oldest.remove(dir)?;
        self.segments.remove(0);
        self.cursor.lose(oldest.first..oldest.end);
        self.cursor.save(dir)
    }

    /// Deletes the segments that were acknowledged whole, but never the one being written: its
    /// name carries the next sequence number.
    fn forget_acked(&mut self, dir: &Path) -> io::Result<()> {
        while self.segments.len() > 1 && self.segments[0].end <= self.cursor.acked + 1 {
            self.segments[0].remove(dir)?;
            self.segments.remove(0);
        }
        Ok(())
    }
}

const ID_FILE: &str = "id";

/// Names a spool that holds nothing yet.
fn begin(dir: &Path) -> io::Result<String> {
    let id = Ulid::generate().to_string();
    replace_file(&dir.join(ID_FILE), id.as_bytes())?;
    Cursor::fresh().save(dir)?;
    Ok(id)
}

fn read_id(dir: &Path) -> io::Result<String> {
    Ok(std::fs::read_to_string(dir.join(ID_FILE))?
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests;
