//! The same rules in Tideline's policy engine, the `cel` interpreter, Cedar and regorus, on the same
//! requests in one run. Prints one JSON object a size of policy; `cargo xtask bench policy` reads it.
//!
//! Every engine finds which rules match; before anything is timed they must agree on that for every
//! request. What an engine takes as input is made before the clock starts. Ours also judges eight
//! candidates and keeps the reasons, which the others do not.

mod allocations;
mod cedar;
mod interpreter;
mod ours;
mod rego;
mod rules;

use std::hint::black_box;
use std::time::Instant;

use serde_json::json;

use self::rules::Case;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting::new();

/// An engine with one policy.
trait Engine {
    /// A request as this engine takes it.
    type Input: Clone;
    /// What comes out, with what went in: neither is let go of while the clock runs.
    type Output;

    fn name(&self) -> &'static str;
    fn input(&self, case: &Case) -> Self::Input;
    /// The rules that match, by their places, in ascending order.
    fn matched(&mut self, input: &Self::Input) -> Vec<usize>;
    /// Does the work that is timed.
    fn run(&mut self, input: Self::Input) -> Self::Output;
}

/// Requests that are tried.
const CASES: usize = 64;
/// Decisions between two looks at the clock.
const BATCH: usize = 32;

fn main() {
    let rounds: usize = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(300);
    for size in [10, 100, 1000] {
        let rules = rules::rules(size);
        let cases: Vec<Case> = (0..CASES).map(|at| rules::case(at, size)).collect();
        let begun = Instant::now();
        let mut ours = ours::Ours::new(&rules);
        let compile_ms = begun.elapsed().as_secs_f64() * 1e3;
        let mut cel = interpreter::Cel::new(&rules);
        let mut cedar = cedar::Cedar::new(&rules);
        let mut rego = rego::Rego::new(&rules);
        let mut rvm = rego::Rvm::new(&rules);

        let expected: Vec<Vec<usize>> = cases.iter().map(|case| matched(&mut ours, case)).collect();
        agree(&mut cel, &cases, &expected);
        agree(&mut cedar, &cases, &expected);
        agree(&mut rego, &cases, &expected);
        agree(&mut rvm, &cases, &expected);

        let allocations = ours.allocations(&cases);
        // The slow ones take fewer turns: each is measured for about as long.
        let timed = [
            time(&mut ours, &cases, rounds * 10),
            time(&mut cel, &cases, rounds),
            time(&mut cedar, &cases, rounds / 8),
            time(&mut rego, &cases, rounds / 8),
            time(&mut rvm, &cases, rounds / 4),
        ];
        let engines: Vec<_> = timed
            .iter()
            .map(|(name, p50, p99)| json!({ "name": name, "p50_us": p50, "p99_us": p99 }))
            .collect();
        let average = expected.iter().map(Vec::len).sum::<usize>() as f64 / CASES as f64;
        println!(
            "{}",
            json!({
                "rules": size, "requests": CASES, "matched": average, "compile_ms": compile_ms,
                "allocations": allocations, "engines": engines,
            })
        );
    }
}

fn matched<E: Engine>(engine: &mut E, case: &Case) -> Vec<usize> {
    let input = engine.input(case);
    engine.matched(&input)
}

fn agree<E: Engine>(engine: &mut E, cases: &[Case], expected: &[Vec<usize>]) {
    for (case, expected) in cases.iter().zip(expected) {
        let found = matched(engine, case);
        assert_eq!(
            &found,
            expected,
            "{} differs from ours on {case:?}",
            engine.name()
        );
    }
}

/// The median and the 99th percentile of what one request takes, in microseconds.
fn time<E: Engine>(engine: &mut E, cases: &[Case], rounds: usize) -> (&'static str, f64, f64) {
    let inputs: Vec<E::Input> = cases.iter().map(|case| engine.input(case)).collect();
    let mut micros = Vec::with_capacity(rounds);
    for round in 0..rounds.max(20) {
        let batch: Vec<E::Input> = (0..BATCH)
            .map(|at| inputs[(round * 7 + at) % inputs.len()].clone())
            .collect();
        let mut kept = Vec::with_capacity(BATCH);
        let begun = Instant::now();
        for input in batch {
            kept.push(engine.run(input));
        }
        micros.push(begun.elapsed().as_secs_f64() * 1e6 / BATCH as f64);
        black_box(&kept);
    }
    micros.sort_by(f64::total_cmp);
    let at = |part: f64| micros[((micros.len() - 1) as f64 * part) as usize];
    (engine.name(), at(0.5), at(0.99))
}
