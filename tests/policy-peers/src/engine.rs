//! What an engine must do to take part, and how its turns are measured.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::allocations;
use crate::rules::{Case, Place, Rule};

/// Decisions between two looks at the clock, where their median is wanted.
const BATCH: usize = 16;

/// A policy engine with one policy.
pub trait Engine: Sized {
    const NAME: &'static str;
    /// The rules in this engine's language.
    type Source;
    /// A request as this engine takes it.
    type Input: Clone;
    /// What comes out, with what went in: neither is let go of while the clock runs.
    type Output;

    fn write(rules: &[Rule]) -> Self::Source;
    /// From the text until the first request can come, where `place` is already known.
    fn load(source: &Self::Source, place: &Place) -> Result<Self>;
    fn input(&self, case: &Case) -> Result<Self::Input>;
    /// The work that is timed.
    fn decide(&mut self, input: Self::Input) -> Self::Output;
    /// The rules that matched, by their places, ascending.
    fn matched(output: Self::Output) -> Result<Vec<usize>>;
}

/// An engine that takes part.
pub trait Contestant {
    /// The rules that each request matches.
    fn matched(&mut self) -> Result<Vec<Vec<usize>>>;
    /// Decides for as long as that, and remembers what it took.
    fn take_turn(&mut self, time: Duration);
    /// What all turns came to.
    fn report(&mut self) -> Value;
}

struct Entered<E: Engine> {
    engine: E,
    inputs: Vec<E::Input>,
    next: usize,
    compile_ms: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
}

/// Enters an engine: writes the rules down for it, and loads them `loads` times.
///
/// # Errors
///
/// When the engine does not take them.
pub fn enter<E: Engine + 'static>(
    rules: &[Rule],
    cases: &[Case],
    loads: usize,
) -> Result<Box<dyn Contestant>> {
    let place = &cases.first().context("there are no requests")?.place;
    let source = E::write(rules);
    let load = || {
        let begun = Instant::now();
        let engine = E::load(&source, place)?;
        Ok::<_, anyhow::Error>((engine, begun.elapsed().as_secs_f64() * 1e3))
    };
    let (engine, first) = load().with_context(|| format!("{} refused the rules", E::NAME))?;
    let mut compile_ms = vec![first];
    for _ in 1..loads {
        compile_ms.push(load()?.1);
    }
    let inputs: Result<_> = cases.iter().map(|case| engine.input(case)).collect();
    Ok(Box::new(Entered {
        inputs: inputs?,
        engine,
        next: 0,
        compile_ms,
        p50_us: Vec::new(),
        p99_us: Vec::new(),
    }))
}

/// Whether all find that the same rules match each request; and how many do, on the average.
///
/// # Errors
///
/// When one of them differs from the first.
pub fn agree(all: &mut [Box<dyn Contestant>]) -> Result<f64> {
    let mut found = Vec::new();
    for one in all {
        found.push(one.matched()?);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        let mut rows = first.iter().zip(last).enumerate();
        if let Some((request, (ours, theirs))) = rows.find(|(_, (ours, theirs))| ours != theirs) {
            let name = one.report()["name"].clone();
            anyhow::bail!("request {request}: we match {ours:?}, {name} {theirs:?}");
        }
    }
    let first = &found[0];
    ensure!(
        first.iter().any(|matched| !matched.is_empty()),
        "nothing ever matches"
    );
    Ok(first.iter().map(Vec::len).sum::<usize>() as f64 / first.len() as f64)
}

impl<E: Engine> Entered<E> {
    /// The next few inputs, each request in its turn, in one place.
    fn batch(&mut self) -> Vec<E::Input> {
        let from = self.next;
        self.next += BATCH;
        let at = |offset: usize| &self.inputs[(from + offset) % self.inputs.len()];
        (0..BATCH).map(|offset| at(offset).clone()).collect()
    }
}

impl<E: Engine> Contestant for Entered<E> {
    fn matched(&mut self) -> Result<Vec<Vec<usize>>> {
        let inputs = self.inputs.clone().into_iter();
        let outputs = inputs.map(|input| self.engine.decide(input));
        outputs.map(E::matched).collect()
    }

    /// The median is of batches, so that the clock does not count; what the slowest take is of each
    /// request by itself, the clock included.
    fn take_turn(&mut self, time: Duration) {
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        let mut kept = Vec::with_capacity(BATCH);
        let begun = Instant::now();
        while begun.elapsed() < time {
            let batch = self.batch();
            let start = Instant::now();
            for input in batch {
                kept.push(self.engine.decide(input));
            }
            together.push(micros(start) / BATCH as f64);
            black_box(&mut kept).clear();

            for input in self.batch() {
                let start = Instant::now();
                let output = self.engine.decide(input);
                alone.push(micros(start));
                kept.push(output);
            }
            black_box(&mut kept).clear();
        }
        self.p50_us.push(percentile(&mut together, 50));
        self.p99_us.push(percentile(&mut alone, 99));
    }

    fn report(&mut self) -> Value {
        let inputs = self.inputs.clone();
        let mut kept = Vec::with_capacity(inputs.len());
        let count = || kept.extend(inputs.into_iter().map(|input| self.engine.decide(input)));
        let ((), allocations) = allocations::count(count);
        json!({
            "name": E::NAME,
            "p50_us": percentile(&mut self.p50_us, 50),
            "p99_us": percentile(&mut self.p99_us, 50),
            "allocations": allocations as f64 / kept.len() as f64,
            "compile_ms": percentile(&mut self.compile_ms, 50),
        })
    }
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(rank).copied().unwrap_or(f64::NAN)
}
