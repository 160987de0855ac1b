//! An answer that goes on elsewhere when what gives it breaks: from exactly where it was, with nothing
//! told twice and nothing left out.
//!
//! Where it goes on is decided anew, about the conversation with what was told of the answer: that
//! travels too. No place is tried twice, one deadline holds for all, and when nothing can go on the
//! answer ends with the error that broke it.

use std::sync::Arc;

use inference_api::{
    ChatTask, CompletionTask, Continued, Delta, Event, Fallback, InferenceRequest, Message, Prompt,
    Role, Sampling, Task, Usage,
};

use crate::table::Entry;

/// What was told of an answer so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    text: String,
    tokens: Vec<u32>,
    /// Tokens as far as they are counted; pieces where they are not.
    count: u32,
    /// Not every token's id is known.
    lacks_ids: bool,
    has_calls: bool,
    pub(crate) has_finished: bool,
}

/// A request whose answer may go on elsewhere.
#[derive(Debug)]
pub(crate) struct Continuation {
    request: InferenceRequest,
    /// With which model, as policy and caller agree.
    pub(crate) fallback: Fallback,
}

impl Told {
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Delta(delta) => self.delta(delta),
            Event::ToolCall(_) => self.has_calls = true,
            Event::Finished(..) => self.has_finished = true,
            Event::Embeddings(_) | Event::Outputs(_) | Event::Served(_) | Event::Usage(_) => {}
        }
    }

    fn delta(&mut self, delta: &Delta) {
        self.text.push_str(&delta.text);
        if delta.tokens.is_empty() {
            self.lacks_ids = true;
            self.count = self.count.saturating_add(1);
        }
        for token in &delta.tokens {
            self.count = self.count.saturating_add(1);
            match token.id {
                Some(id) => self.tokens.push(id),
                None => self.lacks_ids = true,
            }
        }
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.count > 0
    }
}

impl Continuation {
    /// `None` for what is never continued: what is no text, several answers at once, calls of tools.
    pub(crate) fn of(request: &InferenceRequest, policy: router_policy::Fallback) -> Option<Self> {
        let fallback = narrower(request.context.fallback, policy);
        (request.task.is_one_text() && fallback != Fallback::None).then(|| Self {
            request: request.clone(),
            fallback,
        })
    }

    /// Whether it can go on after what was told.
    pub(crate) fn can_follow(told: &Told) -> bool {
        !told.has_calls && !told.has_finished
    }

    /// Whether it may go on at that route after `broken`.
    pub(crate) fn may_use(&self, entry: &Entry, broken: &Entry) -> bool {
        match self.fallback {
            Fallback::None => false,
            Fallback::SameModel => entry.route.card.name == broken.route.card.name,
            Fallback::AnyModel => true,
        }
    }

    /// The request as it is decided about: the conversation, and what was told of the answer to it.
    /// `None` where that cannot be written down.
    pub(crate) fn judged(&self, told: &Told) -> Option<InferenceRequest> {
        let task = match &self.request.task {
            Task::Chat(task) => {
                let mut task = ChatTask::clone(task);
                let answer = Message::new(Role::Assistant, told.text.as_str());
                task.messages.push(answer);
                Task::Chat(Arc::new(task))
            }
            Task::Completion(task) => {
                let prompt = match &task.prompt {
                    Prompt::Text(text) => Prompt::Text(format!("{text}{}", told.text)),
                    Prompt::Tokens(_) if told.lacks_ids => return None,
                    Prompt::Tokens(ids) => Prompt::Tokens([ids.as_slice(), &told.tokens].concat()),
                };
                Task::Completion(Arc::new(CompletionTask {
                    prompt,
                    sampling: task.sampling.clone(),
                }))
            }
            Task::Embedding(_) | Task::Infer(_) => return None,
        };
        Some(InferenceRequest {
            task,
            ..self.request.clone()
        })
    }

    /// The request for the rest of the answer; `None` when no token is left of it.
    pub(crate) fn rest(&self, told: &Told) -> Option<InferenceRequest> {
        let sampling = self.request.task.sampling()?;
        let max_tokens = sampling
            .max_tokens
            .map(|most| most.saturating_sub(told.count));
        if max_tokens == Some(0) {
            return None;
        }
        let task = self.request.task.with_sampling(Sampling {
            max_tokens,
            ..sampling.clone()
        });
        let tokens = if told.lacks_ids {
            Vec::new()
        } else {
            told.tokens.clone()
        };
        Some(InferenceRequest {
            task,
            continued: Some(Arc::new(Continued {
                text: told.text.clone(),
                tokens,
            })),
            ..self.request.clone()
        })
    }
}

/// What an answer took at all places together.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    before: u32,
    cost_usd: Option<f64>,
    has_moved: bool,
}

impl Spent {
    /// A place was left after so many tokens, its prompt included at `cost_usd`.
    pub(crate) fn left(&mut self, told: &Told, cost_usd: Option<f64>) {
        let so_far = if self.has_moved {
            self.cost_usd
        } else {
            Some(0.0)
        };
        self.cost_usd = so_far.zip(cost_usd).map(|(one, other)| one + other);
        self.before = told.count;
        self.has_moved = true;
    }

    /// What the last place took, and all before it. What was told before stood in its prompt.
    pub(crate) fn and(&self, last: Usage) -> Usage {
        if !self.has_moved {
            return last;
        }
        let prompt_tokens = last.prompt_tokens.saturating_sub(self.before);
        Usage {
            prompt_tokens,
            cached_tokens: last.cached_tokens.min(prompt_tokens),
            completion_tokens: last.completion_tokens.saturating_add(self.before),
            cost_usd: self
                .cost_usd
                .zip(last.cost_usd)
                .map(|(one, other)| one + other),
            ..last
        }
    }
}

/// The narrower of what caller and policy say.
pub(crate) fn narrower(caller: Fallback, policy: router_policy::Fallback) -> Fallback {
    use router_policy::Fallback as Policy;
    match (caller, policy) {
        (Fallback::None, _) | (_, Policy::None) => Fallback::None,
        (Fallback::AnyModel, Policy::AnyModel) => Fallback::AnyModel,
        (Fallback::SameModel, _) | (_, Policy::SameModel) => Fallback::SameModel,
    }
}
