//! Names of metrics and spans stand in telemetry.rs alone, where their units and labels are
//! bounded.

use super::Finding;
use super::house::House;

/// Macros that take a metric's name first.
const METRICS: &[&str] = &[
    "counter!(",
    "gauge!(",
    "histogram!(",
    "describe_counter!(",
    "describe_gauge!(",
    "describe_histogram!(",
];

/// What opens a span, and with it names one.
const SPANS: &[&str] = &[
    "span!(",
    "trace_span!(",
    "debug_span!(",
    "info_span!(",
    "warn_span!(",
    "error_span!(",
    "#[instrument",
    "#[tracing::instrument",
];

/// No other file spells such a name.
pub(crate) fn in_telemetry(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in house.sources.iter().filter(|source| source.is_product()) {
        if source.path.ends_with("/telemetry.rs") || source.path.contains("/telemetry/") {
            continue;
        }
        for phrase in METRICS {
            for at in source.says(phrase) {
                let spelled = source.text[at + phrase.len()..]
                    .trim_start()
                    .starts_with('"');
                if spelled {
                    let what = "the name of a metric outside telemetry.rs";
                    let instead = "give it a function in telemetry.rs, with its unit and labels";
                    findings.push(Finding::new(&source.path, source.line(at), what, instead));
                }
            }
        }
        for phrase in SPANS {
            for at in source.says(phrase) {
                let what = "the name of a span outside telemetry.rs";
                let instead = "give it a function in telemetry.rs that opens it";
                findings.push(Finding::new(&source.path, source.line(at), what, instead));
            }
        }
    }
    findings
}
