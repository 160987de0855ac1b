//! What is drawn, and how often.

use super::{Sampler, Sampling};

const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, -1.0, f32::NAN];

/// How often each token is drawn in 4,000 draws, each from a new sampler.
fn counts(how: &Sampling) -> [usize; 5] {
    let mut counts = [0; 5];
    for seed in 0..4000 {
        let mut sampler = Sampler::new(
            Sampling {
                seed,
                ..how.clone()
            },
            &[],
            None,
        );
        let drawn = sampler.draw(&LOGITS[..4]).unwrap();
        counts[drawn.id as usize] += 1;
    }
    counts
}

#[test]
fn at_temperature_nothing_the_likeliest_is_taken() {
    let how = Sampling {
        temperature: 0.0,
        ..Sampling::default()
    };
    assert_eq!(Sampler::new(how, &[], None).draw(&LOGITS).unwrap().id, 1);
    let nothing = Sampler::new(Sampling::default(), &[], None).draw(&[f32::NAN]);
    assert!(nothing.is_err());
}

#[test]
fn tokens_come_as_often_as_they_are_likely() {
    let counts = counts(&Sampling::default());
    let weights: Vec<f64> = LOGITS[..4].iter().map(|l| f64::from(*l).exp()).collect();
    let sum: f64 = weights.iter().sum();
    for (count, weight) in counts.iter().zip(weights) {
        let expected = 4000.0 * weight / sum;
        assert!(
            (*count as f64 - expected).abs() < 5.0 * expected.sqrt() + 5.0,
            "{counts:?}"
        );
    }
}

#[test]
fn the_unlikely_are_cut_off_as_asked() {
    let top_k = counts(&Sampling {
        top_k: 2,
        ..Sampling::default()
    });
    assert_eq!((top_k[0], top_k[3]), (0, 0));
    let top_p = counts(&Sampling {
        top_p: 0.5,
        ..Sampling::default()
    });
    assert_eq!(top_p[1], 4000);
    let min_p = counts(&Sampling {
        min_p: 0.2,
        ..Sampling::default()
    });
    assert_eq!((min_p[0], min_p[3]), (0, 0));
    assert!(min_p[2] > 0);
}

#[test]
fn the_same_seed_draws_the_same() {
    let draw = |seed| {
        let mut sampler = Sampler::new(
            Sampling {
                seed,
                temperature: 1.5,
                ..Sampling::default()
            },
            &[],
            None,
        );
        (0..50)
            .map(|_| sampler.draw(&LOGITS[..4]).unwrap().id)
            .collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[test]
fn penalties_and_bias_move_the_choice() {
    let greedy = || Sampling {
        temperature: 0.0,
        ..Sampling::default()
    };
    let ids = |how: Sampling, prompt: &[u32]| {
        let mut sampler = Sampler::new(how, prompt, None);
        (0..3)
            .map(|_| sampler.draw(&LOGITS[..4]).unwrap().id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(
            Sampling {
                presence_penalty: 1.5,
                ..greedy()
            },
            &[]
        ),
        [1, 2, 1]
    );
    assert_eq!(
        ids(
            Sampling {
                frequency_penalty: 0.6,
                ..greedy()
            },
            &[]
        ),
        [1, 1, 2]
    );
    assert_eq!(
        ids(
            Sampling {
                bias: vec![(3, 100.0)],
                ..greedy()
            },
            &[]
        ),
        [3, 3, 3]
    );
    assert_eq!(
        ids(
            Sampling {
                repetition_penalty: 2.0,
                ..greedy()
            },
            &[1]
        )[0],
        2
    );
}

#[test]
fn log_probabilities_are_told_before_temperature() {
    let how = Sampling {
        temperature: 0.0,
        logprobs: Some(2),
        ..Sampling::default()
    };
    let drawn = Sampler::new(how, &[], None).draw(&LOGITS[..4]).unwrap();
    let sum: f32 = LOGITS[..4].iter().map(|l| l.exp()).sum();
    assert!((drawn.logprob - (3.0 - sum.ln())).abs() < 1e-5);
    let ids: Vec<u32> = drawn.alternatives.iter().map(|one| one.0).collect();
    assert_eq!(ids, [1, 2]);
}
