//! Which stream does what next: one prompt is read at a time, in pieces, and between two pieces every
//! answer under way goes one token further. A new stream joins as soon as its prompt is read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::decoder::Decoder;
use super::layout::Habits;
use super::sample::{Drawn, Sampler};
use super::wording::{Stops, Wording};
use super::{Begun, DrawnToken, Finished, Piece, Place, Reply, Work};
use crate::engine::RunError;
use crate::text::Text;

/// Tokens of a prompt that are read at a time: few enough that others hardly wait, and that the logits
/// of a large vocabulary stay small.
const PIECE: usize = 128;
/// With fewer answers than this under way, two pieces are read for each of their tokens: whoever waits
/// joins sooner, and a step is worth more with more of them in it.
const FEW: usize = 4;
/// Tokens of an answer that room is made for at the start; more room is made as it is needed.
const ROOM: usize = 256;

/// What one thread does.
pub(super) struct Scheduler {
    decoder: Decoder,
    habits: Habits,
    text: Text,
    /// The answers under way; each is in the row of its number.
    active: Vec<Stream>,
    /// The one whose prompt is being read, in the row after them.
    reading: Option<Stream>,
    /// The answers under way have waited for a piece already.
    has_waited: bool,
}

/// One answer.
struct Stream {
    reply: Reply,
    _place: Place,
    deadline: Instant,
    prompt: Vec<u32>,
    /// How much of the prompt was there already.
    cached: usize,
    /// Most tokens of the answer.
    most: usize,
    drawn: usize,
    /// The token that was drawn last and is not in the cache yet.
    last: u32,
    sampler: Sampler,
    tells_logprobs: bool,
    wording: Wording,
    stops: Stops,
    /// Text and tokens that are not told yet.
    shown: String,
    untold: Vec<DrawnToken>,
}

impl Scheduler {
    pub(super) fn new(decoder: Decoder, habits: Habits, text: Text) -> Self {
        Self {
            decoder,
            habits,
            text,
            active: Vec::new(),
            reading: None,
            has_waited: false,
        }
    }

    /// Serves until nobody can send any more and every stream has ended.
    pub(super) fn serve(mut self, queue: &Receiver<Work>) {
        loop {
            let is_idle = self.active.is_empty() && self.reading.is_none();
            let has_room = self.reading.is_none() && self.active.len() < self.decoder.rows();
            let next = match () {
                () if is_idle => queue.recv().ok(),
                () if has_room => queue.try_recv().ok(),
                () => None,
            };
            match next {
                Some(work) => self.begin(work),
                None if is_idle => return,
                None => {}
            }
            match catch_unwind(AssertUnwindSafe(|| self.step())) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.fail(&error),
                Err(_panic) => {
                    tracing::error!("a model panicked; its callers were told");
                    self.fail(&RunError::Output);
                }
            }
        }
    }

    /// Takes up a request: its prompt is read from now on.
    fn begin(&mut self, work: Work) {
        let Work {
            request,
            reply,
            place,
        } = work;
        let mut prompt = request.prompt.0.into_vec();
        let asked = prompt.len();
        let begun = request.begun.as_ref();
        prompt.extend(begun.iter().flat_map(|begun| &begun.tokens));
        let left = self.habits.context.saturating_sub(prompt.len());
        if left == 0 {
            return reply.fail(RunError::ContextLength {
                context: self.habits.context,
                prompt: prompt.len(),
            });
        }
        let most = request.max_tokens.unwrap_or(left).clamp(1, left.max(1));
        let room = prompt.len() + most.min(ROOM);
        match self.decoder.begin(self.active.len(), &prompt, room) {
            Ok(cached) => {
                let tells_logprobs = request.sampling.logprobs.is_some();
                let (asked, _) = prompt.split_at_checked(asked).unwrap_or_default();
                let mut stream = Stream {
                    tells_logprobs,
                    sampler: Sampler::new(request.sampling, asked, request.guide),
                    reply,
                    _place: place,
                    deadline: request.deadline,
                    prompt,
                    cached,
                    most,
                    drawn: 0,
                    last: 0,
                    wording: Wording::default(),
                    stops: Stops::new(request.stop),
                    shown: String::new(),
                    untold: Vec::new(),
                };
                match begun.map_or(Ok(()), |begun| stream.go_on(begun, &self.text)) {
                    Ok(()) => self.reading = Some(stream),
                    Err(error) => stream.reply.fail(error),
                }
            }
            Err(error) => reply.fail(error),
        }
    }

    /// One piece of a prompt, and one token for everybody.
    fn step(&mut self) -> Result<(), RunError> {
        self.drop_unwanted();
        let may_wait = self.reading.is_some() && self.active.len() < FEW && !self.has_waited;
        self.has_waited = may_wait;
        if !may_wait {
            self.advance()?;
        }
        self.read()
    }

    /// Lets go of streams whose reader is gone or whose time is over.
    fn drop_unwanted(&mut self) {
        let now = Instant::now();
        let is_over = |stream: &Stream| stream.deadline <= now || stream.reply.pieces.is_closed();
        if self.reading.as_ref().is_some_and(is_over)
            && let Some(stream) = self.reading.take()
        {
            stream.reply.fail(RunError::DeadlineExceeded);
        }
        for row in (0..self.active.len()).rev() {
            if self.active.get(row).is_some_and(is_over)
                && let Some(stream) = self.retire(row)
            {
                // Nobody hears it whose reader is gone.
                stream.reply.fail(RunError::DeadlineExceeded);
            }
        }
    }

    /// Reads a piece of the prompt that is being read.
    fn read(&mut self) -> Result<(), RunError> {
        let row = self.active.len();
        let Some(stream) = &mut self.reading else {
            return Ok(());
        };
        let held = self.decoder.held(row);
        let left = stream.prompt.get(held..).unwrap_or_default();
        let piece = left.get(..PIECE).unwrap_or(left);
        let logits = self.decoder.read(row, piece)?;
        if piece.len() < left.len() {
            return Ok(());
        }
        let drawn = stream.sampler.draw(logits.last(0)?);
        drop(logits);
        if let Some(stream) = self.reading.take() {
            self.active.push(stream);
        }
        self.take(row, drawn);
        Ok(())
    }

    /// Everybody goes one token further.
    fn advance(&mut self) -> Result<(), RunError> {
        if self.active.is_empty() {
            return Ok(());
        }
        let last: Vec<u32> = self.active.iter().map(|stream| stream.last).collect();
        let kept = last.len() + usize::from(self.reading.is_some());
        let logits = self.decoder.step(&last, kept)?;
        let mut drawn = Vec::with_capacity(last.len());
        for (row, stream) in self.active.iter_mut().enumerate() {
            // One run for all of them, or one for each.
            let mine = match logits.as_slice() {
                [all] => all.last(row)?,
                each => each.get(row).ok_or(RunError::Output)?.last(0)?,
            };
            drawn.push(stream.sampler.draw(mine));
        }
        drop(logits);
        // From the last on, so that those that end leave the numbers of those before alone.
        for (row, drawn) in drawn.into_iter().enumerate().rev() {
            self.take(row, drawn);
        }
        Ok(())
    }

    /// What becomes of a token that was drawn for a stream.
    fn take(&mut self, row: usize, drawn: Result<Drawn, RunError>) {
        let drawn = match drawn {
            Ok(drawn) => drawn,
            Err(error) => {
                if let Some(stream) = self.retire(row) {
                    stream.reply.fail(error);
                }
                return;
            }
        };
        let Some(stream) = self.active.get_mut(row) else {
            return;
        };
        if self.habits.ends.contains(&drawn.id) {
            self.finish(row, false);
            return;
        }
        stream.last = drawn.id;
        stream.drawn += 1;
        let more = stream.wording.push(drawn.id, &self.text);
        let token = stream.token(drawn, &self.text);
        stream.untold.push(token);
        let (shown, is_stopped) = stream.stops.push(&more);
        stream.shown.push_str(&shown);
        if is_stopped {
            stream.wording = Wording::default();
            self.finish(row, false);
        } else if stream.drawn >= stream.most {
            self.finish(row, true);
        } else {
            stream.tell();
        }
    }

    /// Ends a stream that has all of its text.
    fn finish(&mut self, row: usize, was_cut: bool) {
        let Some(mut stream) = self.retire(row) else {
            return;
        };
        let rest = stream.wording.rest(&self.text);
        let (more, is_stopped) = stream.stops.push(&rest);
        stream.shown.push_str(&more);
        if !is_stopped {
            stream.shown.push_str(&stream.stops.rest());
        }
        if !stream.shown.is_empty() || !stream.untold.is_empty() {
            let text = Piece::Text(stream.shown, stream.untold);
            stream.reply.last_text.send(Ok(text));
        }
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        let finished = Finished {
            was_cut: was_cut && !is_stopped,
            prompt_tokens: count(stream.prompt.len()),
            cached_tokens: count(stream.cached),
            completion_tokens: count(stream.drawn),
        };
        stream.reply.end.send(Ok(Piece::Finished(finished)));
    }

    /// Takes a stream out of the batch; its row keeps what it holds for the next turn.
    fn retire(&mut self, row: usize) -> Option<Stream> {
        let last = self.active.len().checked_sub(1)?;
        self.decoder.swap(row, last);
        let stream = self.active.swap_remove(row);
        if self.reading.is_some() {
            self.decoder.swap(last, last + 1);
        }
        Some(stream)
    }

    /// Tells everybody that it failed: nobody knows what the caches hold now.
    fn fail(&mut self, error: &RunError) {
        for stream in self.active.drain(..).chain(self.reading.take()) {
            stream.reply.fail(error.clone());
        }
        self.decoder.clear();
    }
}

impl Stream {
    /// Takes the beginning of the answer: it counts as drawn, and what was shown of it is not shown
    /// again.
    fn go_on(&mut self, begun: &Begun, text: &Text) -> Result<(), RunError> {
        let mut whole = String::new();
        for id in &begun.tokens {
            self.sampler.took(*id)?;
            whole.push_str(&self.wording.push(*id, text));
        }
        // What was held back there, as a stop text might begin with it, is held back here.
        let rest = whole.get(begun.shown..).unwrap_or_default();
        let (shown, _) = self.stops.push(rest);
        self.shown = shown;
        Ok(())
    }

    /// Tells what there is of the answer. While the reader is slow it waits and grows, at most to the
    /// whole of the answer.
    fn tell(&mut self) {
        if self.shown.is_empty() {
            return;
        }
        if let Ok(place) = self.reply.pieces.try_reserve() {
            let text = std::mem::take(&mut self.shown);
            place.send(Ok(Piece::Text(text, std::mem::take(&mut self.untold))));
        }
    }

    fn token(&self, drawn: Drawn, text: &Text) -> DrawnToken {
        let bytes = |id| {
            let known = self.tells_logprobs.then(|| text.decode(&[id]));
            known.flatten().unwrap_or_default().into_bytes()
        };
        let alternatives = drawn.alternatives.iter();
        DrawnToken {
            id: drawn.id,
            logprob: drawn.logprob,
            bytes: bytes(drawn.id),
            alternatives: alternatives
                .map(|(id, logprob)| (bytes(*id), *logprob))
                .collect(),
        }
    }
}
