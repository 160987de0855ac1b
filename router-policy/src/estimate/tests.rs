//! Estimates follow what happens, and nothing that happens breaks them.

use proptest::prelude::*;

use super::*;

fn observe_many(
    mut estimator: LatencyEstimator,
    count: usize,
    latency: impl Fn(u32) -> f64,
) -> LatencyEstimator {
    for index in 0..count {
        let tokens = [8, 16, 64, 128, 200][index % 5];
        estimator = estimator.observe(Tokens::new(tokens), Seconds::clamped(latency(tokens)));
    }
    estimator
}

fn off_by(estimator: LatencyEstimator, tokens: u32, truth: f64) -> f64 {
    (estimator.predict(Tokens::new(tokens)).latency.get() - truth).abs() / truth
}

#[test]
fn a_fresh_estimate_is_what_was_measured() {
    let estimator = LatencyEstimator::new(0.002, 0.000_05);
    assert!(off_by(estimator, 100, 0.007) < 1e-9);
}

#[test]
fn it_converges_from_a_wrong_start() {
    let truth = |tokens: u32| 0.001 + 0.000_03 * f64::from(tokens);
    let estimator = observe_many(LatencyEstimator::new(0.01, 0.0), 100, truth);
    for tokens in [16, 128] {
        assert!(
            off_by(estimator, tokens, truth(tokens)) < 0.05,
            "{estimator:?}"
        );
    }
}

#[test]
fn it_follows_a_threefold_change_within_forty_outcomes() {
    let before = |tokens: u32| 0.001 + 0.000_03 * f64::from(tokens);
    let after = |tokens: u32| 3.0 * before(tokens);
    let estimator = observe_many(LatencyEstimator::new(0.001, 0.000_03), 200, before);
    let estimator = observe_many(estimator, 40, after);
    assert!(off_by(estimator, 64, after(64)) < 0.2, "{estimator:?}");
}

#[test]
fn one_pause_of_the_machine_does_not_spoil_it() {
    let truth = |tokens: u32| 0.001 + 0.000_03 * f64::from(tokens);
    let settled = observe_many(LatencyEstimator::new(0.001, 0.000_03), 100, truth);
    let paused = settled.observe(Tokens::new(16), Seconds::clamped(5.0));
    assert!(off_by(paused, 16, truth(16)) < 0.5, "{paused:?}");
}

proptest! {
    #[test]
    fn nothing_that_happens_makes_it_negative_or_no_number(
        fixed in any::<f64>(), per_token in any::<f64>(),
        outcomes in prop::collection::vec((any::<u32>(), any::<f64>()), 0..60),
        tokens: u32,
    ) {
        let mut estimator = LatencyEstimator::new(fixed, per_token);
        for (tokens, took) in outcomes {
            estimator = estimator.observe(Tokens::new(tokens), Seconds::clamped(took));
        }
        let expected = estimator.predict(Tokens::new(tokens));
        prop_assert!(expected.latency.get().is_finite() && expected.latency.get() >= 0.0);
        prop_assert!(expected.sd.get().is_finite() && expected.sd.get() > 0.0);
    }
}
