//! Text, token by token: prompts are read, answers go on together in one batch, and each stream ends on
//! its own.
//!
//! Its invariants: a stream whose reader went away costs at most one more step, and what a stream holds
//! is bounded by the model's context.

mod cache;
mod decoder;
mod guide;
mod layout;
mod sample;
mod scheduler;
mod template;
mod value;
mod wording;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::task::{Context, Poll, Wake};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use tokio::sync::mpsc::{OwnedPermit, Receiver, Sender, channel};

pub(crate) use self::decoder::Bounds;
pub(crate) use self::guide::Guides;
pub use self::guide::{Format, Guide};
pub(crate) use self::layout::{Descriptions, Habits, Layout, NotADecoder};
pub use self::sample::Sampling;
pub(crate) use self::template::Template;
pub use self::template::{ChatMessage, ChatToolCall, TemplateError};
use crate::engine::RunError;
use crate::session::Session;
use crate::text::{Text, TokenizedText};

/// What is to be generated.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// What stands before.
    pub prompt: TokenizedText,
    /// The beginning of the answer, where it is gone on with.
    pub begun: Option<Begun>,
    /// Most tokens of the answer; up to the end of the context when unset.
    pub max_tokens: Option<usize>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// What holds the answer to a format.
    pub guide: Option<Guide>,
    /// When it must be done.
    pub deadline: Instant,
}

/// The beginning of an answer, as it was told by whoever drew it.
#[derive(Clone, PartialEq)]
pub struct Begun {
    /// Its tokens, by this model's ids.
    pub(crate) tokens: Vec<u32>,
    /// So many bytes of its text were shown.
    pub(crate) shown: usize,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Begun({} tokens, {} bytes)",
            self.tokens.len(),
            self.shown
        )
    }
}

/// A piece of an answer.
#[derive(Clone, PartialEq)]
pub enum Piece {
    /// More text, whole characters of it, and the tokens drawn since the last piece.
    Text(String, Vec<DrawnToken>),
    /// The end.
    Finished(Finished),
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text, tokens) => {
                write!(f, "Text({} bytes, {} tokens)", text.len(), tokens.len())
            }
            Self::Finished(finished) => fmt::Debug::fmt(finished, f),
        }
    }
}

/// A token of an answer. It has no more of a `Debug` than its name: it is content.
#[derive(Clone, PartialEq)]
pub struct DrawnToken {
    /// Its id.
    pub id: u32,
    /// Natural logarithm of its probability; 0 where nobody asked.
    pub logprob: f32,
    /// Its text as bytes, where log probabilities were asked for.
    pub bytes: Vec<u8>,
    /// The likeliest tokens in its place, likeliest first.
    pub alternatives: Vec<(Vec<u8>, f32)>,
}

impl fmt::Debug for DrawnToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrawnToken")
    }
}

/// How an answer ended, and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Whether it was cut at its most tokens or the end of the context; otherwise the model or a stop
    /// text ended it.
    pub was_cut: bool,
    /// Tokens that stood before.
    pub prompt_tokens: u32,
    /// Those of them that were held from an earlier turn.
    pub cached_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
}

/// The pieces of an answer as they come. Dropping it ends the work.
#[derive(Debug)]
pub struct Generation(Receiver<Result<Piece, RunError>>);

impl Generation {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Piece, RunError>> {
        self.0.recv().await
    }

    /// As [`Generation::next`], on a thread that may block, whatever else it drives.
    pub(crate) fn blocking_next(&mut self) -> Option<Result<Piece, RunError>> {
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(std::thread::current())).into();
        loop {
            match self.poll_next(&mut Context::from_waker(&waker)) {
                Poll::Ready(piece) => return piece,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    /// As [`Generation::next`], for streams.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, RunError>>> {
        self.0.poll_recv(cx)
    }
}

/// Pieces that wait for their reader; what comes meanwhile is told together later.
const PIECES: usize = 32;

/// Where the pieces of one stream go. For its last words there is always a place.
struct Reply {
    pieces: Sender<Result<Piece, RunError>>,
    last_text: OwnedPermit<Result<Piece, RunError>>,
    end: OwnedPermit<Result<Piece, RunError>>,
}

impl Reply {
    fn new() -> Option<(Self, Generation)> {
        let (pieces, reader) = channel(PIECES + 2);
        let place = || pieces.clone().try_reserve_owned().ok();
        let (last_text, end) = place().zip(place())?;
        let reply = Self {
            pieces,
            last_text,
            end,
        };
        Some((reply, Generation(reader)))
    }

    /// Ends the stream with an error.
    fn fail(self, error: RunError) {
        self.end.send(Err(error));
    }
}

/// A request on its way to the thread that serves.
struct Work {
    request: GenerateRequest,
    reply: Reply,
    place: Place,
}

/// Counts an answer that waits or is under way, for as long as it lives.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Most requests that wait.
const MOST_WAITING: usize = 256;

/// The thread that generates with one variant. Dropping it lets streams end, and ends it.
pub(crate) struct Generator {
    queue: Option<SyncSender<Work>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Generator {
    /// Starts the thread.
    pub(crate) fn start(
        name: &str,
        session: Session,
        layout: Layout,
        habits: &Habits,
        text: Text,
        bounds: Bounds,
    ) -> Result<Self, RunError> {
        let (queue, work) = sync_channel(MOST_WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let habits = habits.clone();
        let label: String = format!("onnx text {name}").chars().take(15).collect();
        let (told, started) = sync_channel(1);
        let thread = Builder::new().name(label).spawn(move || {
            match decoder::Decoder::new(session, layout, bounds) {
                Ok(decoder) => {
                    let _ = told.send(Ok(()));
                    scheduler::Scheduler::new(decoder, habits, text).serve(&work);
                }
                Err(error) => drop(told.send(Err(error))),
            }
        });
        let thread = thread.map_err(|error| RunError::Runtime(error.to_string()))?;
        started.recv().unwrap_or(Err(RunError::Stopped))?;
        Ok(Self {
            queue: Some(queue),
            waiting,
            thread: Some(thread),
        })
    }

    /// Begins an answer.
    pub(crate) fn generate(&self, request: GenerateRequest) -> Result<Generation, RunError> {
        let (reply, pieces) = Reply::new().ok_or(RunError::Stopped)?;
        let queue = self.queue.as_ref().ok_or(RunError::Stopped)?;
        let place = Place::of(&self.waiting);
        let work = Work {
            request,
            reply,
            place,
        };
        queue.try_send(work).map_err(|refused| match refused {
            TrySendError::Full(_) => RunError::Overloaded,
            TrySendError::Disconnected(_) => RunError::Stopped,
        })?;
        Ok(pieces)
    }

    /// How many answers wait or are under way.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so already.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generator({} under way)", self.waiting())
    }
}
