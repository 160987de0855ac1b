//! Every member takes its lints from the workspace.

use super::Finding;
use super::house::House;

/// Each manifest says `[lints] workspace = true`.
pub(crate) fn lints(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &house.crates {
        let text = house
            .source(&member.manifest)
            .map_or("", |source| source.text.as_str());
        let mut lines = text
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != "[lints]")
            .skip(1);
        let inherits = lines.by_ref().take_while(|line| !line.starts_with('['));
        if !inherits
            .into_iter()
            .any(|line| line.replace(' ', "") == "workspace=true")
        {
            findings.push(Finding::new(
                &member.manifest,
                1,
                format!("{} has lints of its own", member.name),
                "write `[lints]` and `workspace = true`",
            ));
        }
    }
    findings
}
