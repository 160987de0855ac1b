//! How one caller's texts are cut into runs.

use proptest::prelude::*;

use super::*;

#[test]
fn short_texts_do_not_pay_for_long_ones() {
    let runs = runs(&[8, 400, 9, 7, 180]);
    assert_eq!(runs, [vec![3, 0, 2], vec![4], vec![1]]);
}

#[test]
fn a_text_longer_than_a_run_still_runs_alone() {
    assert_eq!(runs(&[100_000]), [vec![0]]);
}

proptest! {
    #[test]
    fn every_text_runs_once_and_within_the_bounds(lengths in prop::collection::vec(1_usize..600, 0..200)) {
        let runs = runs(&lengths);
        let mut all: Vec<usize> = runs.iter().flatten().copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
        for run in runs {
            let longest = run.iter().map(|&place| lengths[place]).max().unwrap_or(0);
            prop_assert!(run.len() == 1 || run.len() * longest <= MOST_TOKENS);
            prop_assert!(run.len() <= MOST_TEXTS);
        }
    }
}
