//! The table in docs/protocol.md with the digest of each .proto file. A .proto cannot change
//! without somebody being sent to the page that describes it.

use sha2::{Digest, Sha256};

use super::Finding;
use super::house::House;
use super::source::Source;

/// The page that describes the protocols.
pub(crate) const PAGE: &str = "docs/protocol.md";

const BEGIN: &str = "<!-- proto-digests:begin -->";
const END: &str = "<!-- proto-digests:end -->";

/// The page carries the digests of the files as they are.
pub(crate) fn fresh(house: &House) -> Vec<Finding> {
    let Some(page) = house.source(PAGE) else {
        let instead = "write it, then run `cargo xtask gen`";
        return vec![Finding::new(
            PAGE,
            1,
            "the page on the protocols is missing",
            instead,
        )];
    };
    let line = page.line(page.text.find(BEGIN).unwrap_or(0));
    if refreshed(house, &page.text) == page.text {
        return Vec::new();
    }
    let instead = "see whether the page is still true, then run `cargo xtask gen`";
    vec![Finding::new(
        PAGE,
        line,
        "a .proto file changed since this page was written",
        instead,
    )]
}

/// The page with its table as it should be; at its end, when it has none yet.
pub(crate) fn refreshed(house: &House, page: &str) -> String {
    let table = format!("{BEGIN}\n{}{END}\n", table(house));
    let Some((before, rest)) = page.split_once(BEGIN) else {
        return format!("{}\n\n{table}", page.trim_end());
    };
    let after = rest.split_once(END).map_or("", |(_, after)| after);
    format!(
        "{before}{table}{}",
        after.strip_prefix('\n').unwrap_or(after)
    )
}

/// One row for each file.
fn table(house: &House) -> String {
    let is_proto = |source: &&Source| source.path.ends_with(".proto");
    let row = |source: &Source| {
        let digest = Sha256::digest(source.text.as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("| `{}` | `{digest}` |\n", source.path)
    };
    let rows: String = house.sources.iter().filter(is_proto).map(row).collect();
    format!("| file | SHA-256 |\n|---|---|\n{rows}")
}
