//! What could serve: the routes that the program offers, each with its running estimate.
//!
//! Programs replace whole groups of routes when something changes (models loaded, hints arrived, a
//! link lost). What was learned about a route outlives its replacement.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use inference_api::{BoxInferenceService, ModelCard, ModelName, ModelSelector, TaskKind};
pub use router_policy::Availability;
use router_policy::{
    Candidate, ConfidenceEstimator, PlacementKind, Prediction, Probability, Seconds, Site, Tokens,
    Usd, WattHours,
};

use crate::estimate::Estimate;
use crate::execute::{BoxEgressService, OnnxExecutor};
use crate::signals::TokenCounter;

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsdPerMillionTokens {
    /// Of what goes in.
    pub prompt: f64,
    /// Of what is generated.
    pub answer: f64,
}

impl UsdPerMillionTokens {
    /// The same for both.
    #[must_use]
    pub const fn flat(price: f64) -> Self {
        Self {
            prompt: price,
            answer: price,
        }
    }

    /// Prices as they are told: those of an answer are the others' where nothing else is said, and
    /// without the first nothing is known.
    #[must_use]
    pub fn told(prompt: Option<f64>, answer: Option<f64>) -> Option<Self> {
        let prompt = prompt?;
        let answer = answer.unwrap_or(prompt);
        Some(Self { prompt, answer })
    }

    /// What a request of so many tokens costs, in US dollars.
    #[must_use]
    pub fn cost(self, prompt_tokens: u32, answer_tokens: u32) -> f64 {
        (self.prompt * f64::from(prompt_tokens) + self.answer * f64::from(answer_tokens)) / 1e6
    }
}

/// Latency as measured or as told: `fixed + per_token × tokens`, in seconds, as a request sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Seconds that every request takes.
    pub fixed_seconds: f64,
    /// Seconds for each token more.
    pub per_token_seconds: f64,
    /// Seconds for each token of an answer; 0 for what is not generated.
    pub per_answer_token_seconds: f64,
}

/// Tokens of an answer of which nobody knows yet how long it will be.
const USUAL_ANSWER: u32 = 64;

impl Measured {
    /// What a request takes beside its own tokens, an answer of usual length included.
    pub(crate) fn fixed(&self) -> f64 {
        self.fixed_seconds + self.per_answer_token_seconds * f64::from(USUAL_ANSWER)
    }
}

/// One way that requests of one task can run.
#[derive(Debug)]
pub struct Route {
    /// The kind of placement that it is.
    pub kind: PlacementKind,
    /// Where it runs.
    pub site: Site,
    /// The model as its callers see it.
    pub card: Arc<ModelCard>,
    /// The build of the model.
    pub variant: Arc<str>,
    /// The execution provider or upstream that really runs it.
    pub provider: Arc<str>,
    /// What to expect before anything was learned.
    pub measured: Measured,
    /// `None` when unknown; a laptop's own tokens cost nothing.
    pub price: Option<UsdPerMillionTokens>,
    /// Drawn on this device while a request runs there.
    pub watts: f64,
    /// How often its answer is wrong.
    pub p_error: Probability,
    /// Whether it can serve now.
    pub availability: Availability,
    /// The model's tokenizer, where it is here.
    pub counter: Option<Arc<dyn TokenCounter>>,
    /// What runs it.
    pub executor: Executor,
}

/// What runs a request.
#[derive(Clone)]
pub enum Executor {
    /// ONNX Runtime in this process. It takes text as the signals have already tokenised it.
    Onnx(OnnxExecutor),
    /// Anything else that content reaches without travelling further than this site.
    Stays(BoxInferenceService),
    /// Beyond this site; it takes a request together with the permit for its content.
    Leaves(BoxEgressService),
    /// Two other routes: the first answers, and where it is not sure enough the second does.
    Cascade(Pair),
}

/// The two routes of a cascade.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(crate) first: Arc<Entry>,
    pub(crate) second: Arc<Entry>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Onnx(_) => "Onnx",
            Self::Stays(_) => "Stays",
            Self::Leaves(_) => "Leaves",
            Self::Cascade(_) => "Cascade",
        })
    }
}

impl Route {
    /// What a request of so many tokens will cost, an answer of usual length included.
    fn expected_cost(&self, tokens: Tokens) -> Option<Usd> {
        let answer = match self.card.task {
            TaskKind::Embedding | TaskKind::Infer => 0,
            TaskKind::Chat | TaskKind::Completion => USUAL_ANSWER,
        };
        self.cost(tokens, Tokens::new(answer))
    }

    /// What these tokens cost here; `None` when the price is unknown.
    pub(crate) fn cost(&self, prompt: Tokens, answer: Tokens) -> Option<Usd> {
        Usd::new(self.price?.cost(prompt.get(), answer.get()))
    }

    /// What this device draws while a request runs for `latency`.
    pub(crate) fn energy(&self, latency: Duration) -> WattHours {
        WattHours::new(self.watts * latency.as_secs_f64() / 3600.0).unwrap_or(WattHours::ZERO)
    }
}

/// A route with what was learned about it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) route: Route,
    pub(crate) estimate: Arc<Estimate>,
}

impl Entry {
    /// The cascade of two routes, if they make one: generated text of one model, on the device first
    /// and beyond it where the device is not sure.
    fn cascade(first: &Arc<Self>, second: &Arc<Self>) -> Option<Arc<Self>> {
        let (here, there) = (&first.route, &second.route);
        let generates = matches!(here.card.task, TaskKind::Chat | TaskKind::Completion);
        let is_cascade = generates
            && here.kind == PlacementKind::Device
            && there.kind == PlacementKind::Cloud
            && here.card.task == there.card.task
            && here.card.name == there.card.name;
        is_cascade.then(|| {
            let availability = match (&here.availability, &there.availability) {
                (Availability::Ready, there) => there.clone(),
                (here, _) => here.clone(),
            };
            Arc::new(Self {
                route: Route {
                    kind: PlacementKind::Cascade,
                    site: there.site.clone(),
                    card: there.card.clone(),
                    variant: format!("{}>{}", here.variant, there.variant).into(),
                    provider: format!("{}>{}", here.provider, there.provider).into(),
                    measured: here.measured,
                    price: there.price,
                    watts: here.watts,
                    p_error: there.p_error,
                    availability,
                    counter: here.counter.clone(),
                    executor: Executor::Cascade(Pair {
                        first: first.clone(),
                        second: second.clone(),
                    }),
                },
                estimate: Arc::new(Estimate::new(here.measured)),
            })
        })
    }

    pub(crate) fn is_cascade(&self) -> bool {
        self.route.kind == PlacementKind::Cascade
    }

    /// What to expect of a request of that many tokens.
    fn predict(&self, tokens: Tokens) -> Prediction {
        if let Executor::Cascade(Pair { first, second }) = &self.route.executor {
            return cascaded(
                &first.predict(tokens),
                &second.predict(tokens),
                first.estimate.confidence().escalates(),
            );
        }
        let expected = self.estimate.predict(tokens);
        let latency = Duration::try_from_secs_f64(expected.latency.get());
        Prediction {
            latency: expected.latency,
            latency_sd: expected.sd,
            cost: self.route.expected_cost(tokens),
            energy: self.route.energy(latency.unwrap_or_default()),
            p_error: self.route.p_error,
        }
    }

    /// This route as a candidate for a request of that many tokens.
    pub(crate) fn candidate(&self, tokens: Tokens) -> Candidate {
        let Route {
            kind,
            site,
            card,
            variant,
            provider,
            availability,
            ..
        } = &self.route;
        Candidate {
            kind: *kind,
            site: site.clone(),
            model: Arc::from(card.name.as_str()),
            variant: variant.clone(),
            provider: provider.clone(),
            prediction: self.predict(tokens),
            availability: availability.clone(),
            redacts: false,
        }
    }

    fn fits(&self, task: TaskKind, model: &ModelSelector) -> bool {
        let card = &self.route.card;
        card.task == task && model.name().is_none_or(|name| *name == card.name)
    }
}

/// What to expect of a cascade: the device's answer always, and the other one as often as it escalates.
fn cascaded(first: &Prediction, second: &Prediction, escalates: f64) -> Prediction {
    let seconds = |of: fn(&Prediction) -> Seconds| {
        Seconds::clamped(of(first).get() + escalates * of(second).get())
    };
    let cost = |of: &Prediction| of.cost.map(Usd::get);
    let both = cost(first).zip(cost(second));
    Prediction {
        latency: seconds(|prediction| prediction.latency),
        latency_sd: seconds(|prediction| prediction.latency_sd),
        cost: both.and_then(|(first, second)| Usd::new(first + escalates * second)),
        energy: first.energy,
        // The device's answer is kept where it is sure: what is wrong of it is mostly what escalates.
        p_error: Probability::new(
            (1.0 - escalates) * first.p_error.get() * (1.0 - escalates)
                + escalates * second.p_error.get(),
        ),
    }
}

/// What identifies a route across replacements.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    task: TaskKind,
    site: Arc<str>,
    model: Arc<str>,
    variant: Arc<str>,
    provider: Arc<str>,
}

/// All routes, in groups. Readers see one whole table or the next, never a mixture.
#[derive(Default)]
pub struct RouteTable {
    current: ArcSwap<Vec<Arc<Entry>>>,
    writing: Mutex<Writing>,
}

#[derive(Default)]
struct Writing {
    groups: BTreeMap<&'static str, Vec<Arc<Entry>>>,
    learned: HashMap<Key, Arc<Estimate>>,
}

/// How far one build of a model can be believed when it is sure.
#[derive(Debug, Clone)]
pub struct Believed {
    /// The model.
    pub model: Arc<str>,
    /// The build of it.
    pub variant: Arc<str>,
    /// What runs it.
    pub provider: Arc<str>,
    /// What was learned.
    pub confidence: ConfidenceEstimator,
}

/// Most estimates that are kept for routes that were here once.
const MAX_LEARNED: usize = 4096;
/// Most pairs of routes that are offered as cascades.
const MAX_CASCADES: usize = 32;

impl RouteTable {
    /// A table without routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `routes` in the place of the group's routes so far.
    pub fn replace(&self, group: &'static str, routes: Vec<Route>) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = routes
            .into_iter()
            .map(|route| writing.entry(route))
            .collect();
        writing.groups.insert(group, entries);
        let mut all: Vec<Arc<Entry>> = writing.groups.values().flatten().cloned().collect();
        let pairs = all
            .iter()
            .flat_map(|first| all.iter().map(move |second| (first, second)));
        let cascades = pairs.filter_map(|(first, second)| Entry::cascade(first, second));
        let cascades: Vec<_> = cascades.take(MAX_CASCADES).collect();
        all.extend(cascades);
        self.current.store(Arc::new(all));
    }

    /// How far models can be believed when they are sure: each that a cascade has learned of.
    #[must_use]
    pub fn believed(&self) -> Vec<Believed> {
        let told = |entry: &Arc<Entry>| {
            let (route, known) = (&entry.route, entry.estimate.confidence());
            (known.outcomes() > 0).then(|| Believed {
                model: route.card.name.as_str().into(),
                variant: route.variant.clone(),
                provider: route.provider.clone(),
                confidence: known,
            })
        };
        self.current.load().iter().filter_map(told).collect()
    }

    /// The models that some route serves, each once, in the order of their names.
    pub(crate) fn cards(&self) -> Vec<Arc<ModelCard>> {
        let mut cards: Vec<Arc<ModelCard>> = Vec::new();
        for entry in self.current.load().iter() {
            let card = &entry.route.card;
            match cards.iter_mut().find(|known| known.name == card.name) {
                // The card of a route that is ready says more than another's.
                Some(known) if !known.ready && card.ready => *known = card.clone(),
                Some(_) => {}
                None => cards.push(card.clone()),
            }
        }
        cards.sort_by(|a, b| a.name.cmp(&b.name));
        cards
    }

    /// The routes that do this task with this model, in a stable order.
    pub(crate) fn fitting(&self, task: TaskKind, model: &ModelSelector) -> Vec<Arc<Entry>> {
        self.current
            .load()
            .iter()
            .filter(|entry| entry.fits(task, model))
            .cloned()
            .collect()
    }

    /// Whether any route serves a model of that name, whatever the task.
    pub(crate) fn knows(&self, name: &ModelName) -> bool {
        self.current
            .load()
            .iter()
            .any(|entry| entry.route.card.name == *name)
    }
}

impl Writing {
    fn entry(&mut self, route: Route) -> Arc<Entry> {
        let key = Key {
            task: route.card.task,
            site: route.site.name.clone(),
            model: Arc::from(route.card.name.as_str()),
            variant: route.variant.clone(),
            provider: route.provider.clone(),
        };
        if self.learned.len() >= MAX_LEARNED && !self.learned.contains_key(&key) {
            let used = |estimate: &Arc<Estimate>| Arc::strong_count(estimate) > 1;
            self.learned.retain(|_, estimate| used(estimate));
        }
        let fresh = || Arc::new(Estimate::new(route.measured));
        let estimate = self.learned.entry(key).or_insert_with(fresh).clone();
        Arc::new(Entry { route, estimate })
    }
}

impl fmt::Debug for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.current.load().iter().map(|entry| &entry.route))
            .finish()
    }
}
