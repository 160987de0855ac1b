//! Serves one variant: a bounded queue, and threads that own the sessions.
//!
//! A caller alone gets the wide session, in which one run uses every thread. When many call, narrow
//! sessions of one thread each share the work, and what waits is gathered into batches of like
//! lengths. Nothing ever waits for a batch to fill.
//!
//! Its invariant: work whose caller went away, or whose deadline passed, is dropped before it runs.

pub(crate) mod gather;
mod queue;

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use tokio::sync::oneshot;

use self::gather::take;
use self::queue::{Queue, Width};
use crate::embed::Embedder;
use crate::session::{Session, tensors};
use crate::tensor::{InputError, Tensor, TensorError};
use crate::text::{TextError, TokenizedText};

/// How much power may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Power {
    /// All threads.
    #[default]
    Full,
    /// One thread, for a laptop on battery.
    Saving,
}

/// Why a run gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Too much is waiting.
    #[error("too many requests are waiting for this model")]
    Overloaded,
    /// The deadline passed before it ran.
    #[error("the deadline passed before the model ran")]
    DeadlineExceeded,
    /// The input is not what the model takes.
    #[error("{0}")]
    Input(String),
    /// A text could not be tokenised.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A tensor is not one.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// Prompt and answer are longer than the model's context.
    #[error("the model's context is {context} tokens, the prompt has {prompt}")]
    ContextLength {
        /// Tokens of the context.
        context: usize,
        /// Tokens of the prompt.
        prompt: usize,
    },
    /// A conversation could not be made a prompt.
    #[error(transparent)]
    Template(#[from] crate::generate::TemplateError),
    /// Answers cannot be held to that format.
    #[error("{0}")]
    Format(String),
    /// The model does another task.
    #[error("the model does not do this task")]
    WrongTask,
    /// ONNX Runtime failed; the text is for the log.
    #[error("the model failed to run: {0}")]
    Runtime(String),
    /// The model's output is not what its signature says.
    #[error("the model's output is not what its signature says")]
    Output,
    /// The model is being unloaded.
    #[error("the model is being unloaded")]
    Stopped,
}

impl From<ort::Error> for RunError {
    fn from(error: ort::Error) -> Self {
        Self::Runtime(
            error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(300)
                .collect(),
        )
    }
}

impl From<InputError> for RunError {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Tensor(error) => error.into(),
            InputError::Runtime(error) => error.into(),
        }
    }
}

/// Something to run, and where its result goes.
pub(crate) struct Job {
    work: Work,
    deadline: Instant,
}

enum Work {
    Embed(
        Vec<TokenizedText>,
        oneshot::Sender<Result<Vec<Vec<f32>>, RunError>>,
    ),
    Infer(Inference, oneshot::Sender<Result<Vec<Tensor>, RunError>>),
}

/// Where a result arrives.
pub(crate) type Answer<T> = oneshot::Receiver<Result<T, RunError>>;

/// Tensors to run a model on, and the outputs wanted.
pub(crate) struct Inference {
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) outputs: Vec<String>,
}

impl Job {
    fn is_wanted(&self) -> bool {
        match &self.work {
            Work::Embed(_, reply) => !reply.is_closed(),
            Work::Infer(_, reply) => !reply.is_closed(),
        }
    }

    fn fail(self, error: RunError) {
        // A caller that went away needs no answer.
        match self.work {
            Work::Embed(_, reply) => drop(reply.send(Err(error))),
            Work::Infer(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

/// The threads that serve one variant. Dropping it lets them finish what waits, and ends them.
pub(crate) struct Engine {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// The sessions of one variant.
pub(crate) struct Sessions {
    /// Runs alone, on every thread; `None` where one thread is all there is.
    pub(crate) wide: Option<Session>,
    /// Run side by side, on one thread each; at least one.
    pub(crate) narrow: Vec<Session>,
}

impl Engine {
    /// Starts a thread for each session.
    pub(crate) fn start(
        name: &str,
        sessions: Sessions,
        embedder: Option<&Embedder>,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(sessions.narrow.len(), sessions.wide.is_some()));
        let wide = sessions
            .wide
            .into_iter()
            .map(|session| (Width::Wide, session));
        let narrow = sessions
            .narrow
            .into_iter()
            .enumerate()
            .map(|(index, session)| (Width::Narrow(index), session));
        let mut engine = Self {
            queue,
            threads: Vec::new(),
        };
        for (width, session) in wide.chain(narrow) {
            let (queue, embedder) = (engine.queue.clone(), embedder.cloned());
            let label: String = format!("onnx {width} {name}").chars().take(15).collect();
            let thread = Builder::new()
                .name(label)
                .spawn(move || serve(&queue, width, session, embedder.as_ref()))?;
            engine.threads.push(thread);
        }
        Ok(engine)
    }

    /// The vectors of a few texts of like lengths.
    pub(crate) fn embed(
        &self,
        texts: Vec<TokenizedText>,
        deadline: Instant,
    ) -> Result<Answer<Vec<Vec<f32>>>, RunError> {
        let (reply, answer) = oneshot::channel();
        self.queue.submit(Job {
            work: Work::Embed(texts, reply),
            deadline,
        })?;
        Ok(answer)
    }

    /// The model's outputs for these inputs.
    pub(crate) fn infer(
        &self,
        inference: Inference,
        deadline: Instant,
    ) -> Result<Answer<Vec<Tensor>>, RunError> {
        let (reply, answer) = oneshot::channel();
        self.queue.submit(Job {
            work: Work::Infer(inference, reply),
            deadline,
        })?;
        Ok(answer)
    }

    /// How much is waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    pub(crate) fn set_power(&self, power: Power) {
        self.queue.set_power(power);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            drop(thread.join());
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Engine({} threads, {} waiting)",
            self.threads.len(),
            self.waiting()
        )
    }
}

/// One thread: takes what it may from the queue and runs it, until the queue is closed.
fn serve(queue: &Queue, width: Width, mut session: Session, embedder: Option<&Embedder>) {
    while let Some(jobs) = queue.next(width, |waiting, share| take(waiting, share, Instant::now()))
    {
        let run = std::panic::AssertUnwindSafe(|| run(&mut session, embedder, jobs));
        if std::panic::catch_unwind(run).is_err() {
            tracing::error!("a model panicked; its callers were told");
        }
        queue.done();
    }
}

fn run(session: &mut Session, embedder: Option<&Embedder>, jobs: Vec<Job>) {
    let mut batch = Vec::with_capacity(jobs.len());
    for Job { work, .. } in jobs {
        match work {
            Work::Infer(inference, reply) => drop(reply.send(infer(session, &inference))),
            Work::Embed(texts, reply) => batch.push((texts, reply)),
        }
    }
    if batch.is_empty() {
        return;
    }
    let texts: Vec<&TokenizedText> = batch.iter().flat_map(|(texts, _)| texts).collect();
    let mut result = match embedder {
        Some(embedder) => embedder.run(session, &texts).map(Vec::into_iter),
        None => Err(RunError::WrongTask),
    };
    for (texts, reply) in batch {
        let mine = match &mut result {
            Ok(vectors) => Ok(vectors.by_ref().take(texts.len()).collect()),
            Err(error) => Err(error.clone()),
        };
        drop(reply.send(mine));
    }
}

fn infer(session: &mut Session, inference: &Inference) -> Result<Vec<Tensor>, RunError> {
    let mut inputs = Vec::with_capacity(inference.inputs.len());
    for tensor in &inference.inputs {
        inputs.push((tensor.name.as_str(), tensor.as_input()?));
    }
    Ok(session.run(inputs, |outputs| tensors(outputs, &inference.outputs))?)
}
