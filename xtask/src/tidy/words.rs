//! Words that stay out of the repository: paths of somebody's machine.

use super::Finding;
use super::house::House;

/// Written in two halves, as this file is read like any other.
const WORDS: &[(&str, &str)] = &[("/wo", "rk/"), ("/ro", "ot/"), ("/hom", "e/user")];

/// No file says one.
pub(crate) fn absent(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &house.sources {
        for (first, second) in WORDS {
            let word = format!("{first}{second}");
            for (at, _) in source.text.match_indices(&word) {
                findings.push(Finding::new(
                    &source.path,
                    source.line(at),
                    format!("`{word}` is a path of somebody's machine"),
                    "name it from the root of the repository",
                ));
            }
        }
    }
    findings
}
