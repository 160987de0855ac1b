//! Every file opens with what it is, and none is longer than a person reads.

use super::Finding;
use super::house::House;

/// The most lines that a file has.
const MOST_LINES: usize = 600;

/// Files that are longer, each with its reason.
const LONG: &[(&str, &str)] = &[];

/// The first line of every Rust file is `//!`.
pub(crate) fn first_line(house: &House) -> Vec<Finding> {
    let bare = house
        .sources
        .iter()
        .filter(|it| it.is_rust() && !it.text.starts_with("//!"));
    let instead = "open it with `//!`: what it is, what it never does, its one invariant";
    bare.map(|it| Finding::new(&it.path, 1, "a file that does not say what it is", instead))
        .collect()
}

/// No file is too long to be read, but those on the list.
pub(crate) fn length(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in house.sources.iter().filter(|source| source.is_rust()) {
        let lines = source.text.lines().count();
        let listed = LONG.iter().any(|(path, _)| *path == source.path);
        let (what, instead) = match (lines > MOST_LINES, listed) {
            (true, false) => (
                format!("{lines} lines, where {MOST_LINES} are the most"),
                "split it by what it says",
            ),
            (false, true) => (
                "no long file any more".to_owned(),
                "take it off the list in pages.rs",
            ),
            (true, true) | (false, false) => continue,
        };
        findings.push(Finding::new(&source.path, lines, what, instead));
    }
    findings
}
