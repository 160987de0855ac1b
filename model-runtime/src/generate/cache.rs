//! The keys and values of many answers, in place: a row for each, which lies next to the others, so
//! that those under way are one batch without a copy.
//!
//! A row that is done keeps what it holds until the place is needed: the next turn of a conversation
//! finds its beginning there, and pays for its new tokens alone.
//!
//! Its invariant: `tokens` of a row are exactly those whose keys and values it holds.

use std::rc::Rc;

use super::layout::Layout;
use super::value::{Memory, Value, out_of_memory};
use crate::engine::RunError;

/// Bytes that rows which are done may hold before the oldest of them goes.
const MOST_IDLE: usize = 64 << 20;
/// Tokens that rows have room for at first; it doubles as it is needed.
const FIRST_ROOM: usize = 512;

/// All rows of one decoder.
pub(super) struct Cache {
    layout: Layout,
    /// Keys and values of every layer, one after the other. One allocation, so that the system gives
    /// pages only for what is used.
    memory: Option<Rc<Memory>>,
    rows: Vec<Row>,
    /// Tokens that each row has room for.
    room: usize,
    most_rows: usize,
    most_bytes: usize,
    clock: u64,
    /// The views that were made last; they hold until the memory moves.
    views: Vec<(usize, usize, Vec<Value>)>,
}

/// What one row holds.
#[derive(Debug, Default, Clone)]
struct Row {
    tokens: Vec<u32>,
    used: u64,
}

impl Cache {
    /// Room for `most_rows` rows, together of at most `most_bytes`.
    pub(super) fn new(
        layout: Layout,
        most_rows: usize,
        most_bytes: usize,
    ) -> Result<Self, RunError> {
        let mut cache = Self {
            layout,
            memory: None,
            rows: Vec::new(),
            room: 0,
            most_rows,
            most_bytes,
            clock: 0,
            views: Vec::new(),
        };
        cache.reserve(FIRST_ROOM, 0)?;
        Ok(cache)
    }

    /// Rows that there are.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Whether rows of so many tokens are possible at all, and how many of them.
    pub(super) fn rows_of(&self, tokens: usize) -> usize {
        let room = tokens.max(FIRST_ROOM).next_power_of_two();
        (self.most_bytes / (room * self.layout.token_bytes()).max(1)).min(self.most_rows)
    }

    /// Makes room for `tokens` in each row; the first `keep` rows keep what they hold.
    pub(super) fn reserve(&mut self, tokens: usize, keep: usize) -> Result<(), RunError> {
        if tokens <= self.room {
            return Ok(());
        }
        let room = tokens.max(FIRST_ROOM).next_power_of_two();
        let count = self.rows_of(tokens);
        if count < keep.max(1) {
            return Err(RunError::Overloaded);
        }
        let caches = self.layout.past.len();
        let grown = Memory::new(caches * count * self.layout.heads * room * self.head());
        let grown = grown.ok_or_else(out_of_memory)?;
        let before = self.rows.len();
        if let Some(old) = &self.memory {
            let kept = self.rows.iter().enumerate().take(count);
            for (index, row) in kept {
                let held = row.tokens.len() * self.head();
                for cache in 0..caches {
                    for strip in 0..self.layout.heads {
                        let at = |rows: usize, room: usize| {
                            let row = cache * rows + index;
                            (row * self.layout.heads + strip) * room * self.head()
                        };
                        grown.copy_from(old, at(before, self.room), at(count, room), held);
                    }
                }
            }
        }
        self.rows.resize(count, Row::default());
        self.views.clear();
        self.memory = Some(grown);
        self.room = room;
        Ok(())
    }

    /// The tokens that a row holds.
    pub(super) fn tokens(&self, row: usize) -> &[u32] {
        self.rows.get(row).map_or(&[], |row| &row.tokens)
    }

    /// The row whose beginning is most like `prompt`, and how much of it is.
    pub(super) fn most_alike(&self, prompt: &[u32]) -> (usize, usize) {
        let common = |row: &Row| {
            let pairs = row.tokens.iter().zip(prompt);
            pairs.take_while(|(a, b)| a == b).count()
        };
        let all = self.rows.iter().map(common).enumerate();
        all.max_by_key(|(_, common)| *common).unwrap_or((0, 0))
    }

    /// The row at or after `from` whose content is to go: one that holds nothing while those that are
    /// done hold little, and else the one that was used longest ago.
    pub(super) fn oldest(&self, from: usize) -> Option<usize> {
        let idle = || self.rows.iter().enumerate().skip(from);
        let held: usize = idle().map(|(_, row)| row.tokens.len()).sum();
        let is_full = held * self.layout.token_bytes() > MOST_IDLE;
        let rows = idle().filter(|(_, row)| !is_full || !row.tokens.is_empty());
        rows.min_by_key(|(_, row)| row.used).map(|(index, _)| index)
    }

    /// Exchanges what two rows hold.
    pub(super) fn swap(&mut self, a: usize, b: usize) {
        if a == b {
            return;
        }
        let longest = self.tokens(a).len().max(self.tokens(b).len());
        self.for_strips(longest, |memory, at, room, bytes| {
            memory.swap(at(a) * room, at(b) * room, bytes);
        });
        self.rows.swap(a, b);
    }

    /// Copies the first `tokens` of one row to another, which holds nothing else then.
    pub(super) fn copy(&mut self, from: usize, to: usize, tokens: usize) {
        if from != to {
            self.for_strips(tokens, |memory, at, room, bytes| {
                memory.copy(at(from) * room, at(to) * room, bytes);
            });
        }
        let held = self.tokens(from).get(..tokens).unwrap_or_default().to_vec();
        if let Some(row) = self.rows.get_mut(to) {
            row.tokens = held;
        }
    }

    /// Forgets what a row holds beyond its first `tokens`.
    pub(super) fn truncate(&mut self, row: usize, tokens: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            row.tokens.truncate(tokens);
        }
    }

    /// Notes that a run wrote these tokens to a row.
    pub(super) fn wrote(&mut self, row: usize, tokens: &[u32]) {
        self.clock += 1;
        let clock = self.clock;
        if let Some(row) = self.rows.get_mut(row) {
            row.tokens.extend_from_slice(tokens);
            row.used = clock;
        }
    }

    /// The caches of `count` rows from `first` on, as values.
    pub(super) fn views(&mut self, first: usize, count: usize) -> Result<&[Value], RunError> {
        let known = |view: &(usize, usize, Vec<Value>)| (view.0, view.1) == (first, count);
        if let Some(at) = self.views.iter().position(known) {
            return Ok(&self.views[at].2);
        }
        let Layout {
            heads,
            head_size,
            element,
            ..
        } = self.layout;
        let shape = [count, heads, self.room, head_size];
        let memory = self.memory.as_ref().ok_or_else(out_of_memory)?;
        let made = (0..self.layout.past.len()).map(|cache| {
            let row = cache * self.rows.len() + first;
            let offset = row * heads * self.room * self.head();
            Value::over(memory, offset, element, &shape)
        });
        let made = made.collect::<Result<Vec<_>, _>>()?;
        // One for decoding and one for what is read in, usually.
        if self.views.len() >= 4 {
            self.views.remove(0);
        }
        self.views.push((first, count, made));
        Ok(self.views.last().map_or(&[], |view| &view.2))
    }

    /// Bytes of one token in one head of one cache.
    fn head(&self) -> usize {
        self.layout.head_size * self.layout.element.size_bytes()
    }

    /// Calls `act` for every strip (a head of a row) of every memory, with what gives a row's strip and
    /// the size of one, and how many bytes `tokens` take.
    fn for_strips(
        &self,
        tokens: usize,
        act: impl Fn(&Memory, &dyn Fn(usize) -> usize, usize, usize),
    ) {
        let Some(memory) = self.memory.as_ref().filter(|_| tokens > 0) else {
            return;
        };
        for cache in 0..self.layout.past.len() {
            for strip in 0..self.layout.heads {
                let at = |row: usize| (cache * self.rows.len() + row) * self.layout.heads + strip;
                act(memory, &at, self.room * self.head(), tokens * self.head());
            }
        }
    }
}
