//! `tideline policy test`: what passed, what did not and why, for people and for CI.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;

use router_policy::{Case, Suite, run_tests};
use serde_json::{Value, json};

use super::files::Files;
use crate::client::Failure;
use crate::print::{Format, structured};

pub(super) fn run(files: &Files, junit: Option<&Path>, format: Format) -> Result<(), Failure> {
    let suites = run_tests(&files.sources()).map_err(|wrong| {
        eprint!("{wrong}");
        Failure::Failed("the policies or their tests cannot be read".into())
    })?;
    if let Some(path) = junit {
        std::fs::write(path, to_junit(&suites)).map_err(|error| {
            Failure::Failed(format!("could not write {}: {error}", path.display()))
        })?;
    }
    if !structured(&to_json(&suites), format)? {
        tell(&suites);
    }
    let cases = suites.iter().flat_map(|suite| &suite.cases);
    let (all, failed) = cases.fold((0, 0), |(all, failed), case| {
        (all + 1, failed + usize::from(!case.failures.is_empty()))
    });
    match (all, failed) {
        (0, _) => Err(Failure::NotFound(
            "there is no PolicyTest in these files".into(),
        )),
        (_, 0) => Ok(()),
        (all, failed) => Err(Failure::Failed(format!("{failed} of {all} tests failed"))),
    }
}

fn tell(suites: &[Suite]) {
    let color = std::io::stdout().is_terminal() && !crate::config::no_color();
    let paint = |code: &str, text: &str| {
        if color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let (mut passed, mut failed) = (0, 0);
    for Suite {
        name,
        policy,
        cases,
    } in suites
    {
        println!("{name} (policy {policy})");
        for case in cases {
            if case.failures.is_empty() {
                passed += 1;
                println!("  {} {}", paint("32", "ok"), case.name);
                continue;
            }
            failed += 1;
            let (file, line) = &case.place;
            println!("  {} {} ({file}:{line})", paint("31", "FAILED"), case.name);
            for failure in &case.failures {
                println!("       {failure}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
}

fn to_json(suites: &[Suite]) -> Value {
    let case = |case: &Case| {
        json!({
            "name": case.name,
            "file": case.place.0,
            "line": case.place.1,
            "passed": case.failures.is_empty(),
            "failures": case.failures,
        })
    };
    let suite = |suite: &Suite| {
        json!({
            "name": suite.name,
            "policy": suite.policy,
            "cases": suite.cases.iter().map(case).collect::<Vec<_>>(),
        })
    };
    suites.iter().map(suite).collect()
}

/// As CI servers read it: <https://github.com/testmoapp/junitxml>.
fn to_junit(suites: &[Suite]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    // Writing to a string cannot fail.
    for suite in suites {
        let failures = suite
            .cases
            .iter()
            .filter(|case| !case.failures.is_empty())
            .count();
        let (name, tests) = (escaped(&suite.name), suite.cases.len());
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">"
        );
        for case in &suite.cases {
            let (file, line) = &case.place;
            let _ = write!(
                xml,
                "    <testcase name=\"{}\" classname=\"{name}\" file=\"{}\" line=\"{line}\"",
                escaped(&case.name),
                escaped(file)
            );
            if case.failures.is_empty() {
                xml.push_str("/>\n");
                continue;
            }
            let why = escaped(&case.failures.join("\n"));
            let _ = writeln!(xml, ">\n      <failure>{why}</failure>\n    </testcase>");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}
