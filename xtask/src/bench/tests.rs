//! Medians, as the figures are made of them.

use super::median;

#[test]
fn the_median_is_the_middle_of_the_sorted_values() {
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
    close(median([3.0, 1.0, 2.0]), 2.0);
    close(median([4.0, 1.0, 3.0, 2.0]), 2.5);
    assert!(median([]).is_nan());
}
