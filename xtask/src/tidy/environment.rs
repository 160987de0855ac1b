//! The environment is read in config.rs alone: what steers a program stands in one place.

use super::Finding;
use super::house::House;

/// Ways to read it; `#[arg(env)]` is clap's.
const READS: &[&str] = &[
    "env::var",
    "env::var_os",
    "env::vars",
    "env::vars_os",
    "env::home_dir",
];

/// No other file reads it.
pub(crate) fn in_config(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in house.sources.iter().filter(|source| source.is_product()) {
        if source.stem() == "config" || source.path.contains("/config/") {
            continue;
        }
        let attributes = source.says("#[arg(").filter(|&at| {
            let attribute = source.code[at..].split(")]").next().unwrap_or_default();
            let mut words = attribute.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word == "env")
        });
        for at in READS
            .iter()
            .flat_map(|read| source.says(read))
            .chain(attributes)
        {
            findings.push(Finding::new(
                &source.path,
                source.line(at),
                "the environment is read outside config.rs",
                "make it a field of the configuration",
            ));
        }
    }
    findings
}
