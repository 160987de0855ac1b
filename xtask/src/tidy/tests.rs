//! Each rule is shown a bad sample and a good one, and then the house itself.

use super::house::{Crate, House};
use super::source::Source;
use super::{Finding, check, protocol};

/// What a rule says about one file, as `line: what`.
fn says(rule: fn(&House) -> Vec<Finding>, path: &str, text: &str) -> Vec<String> {
    let house = House {
        crates: Vec::new(),
        sources: vec![Source::new(path, text)],
    };
    rule(&house)
        .into_iter()
        .map(|finding| format!("{}: {}", finding.line, finding.what))
        .collect()
}

#[track_caller]
fn fires(rule: fn(&House) -> Vec<Finding>, path: &str, text: &str, line: usize) {
    let said = says(rule, path, text);
    assert!(
        said.iter().any(|it| it.starts_with(&format!("{line}: "))),
        "{path}: {text}: {said:?}"
    );
}

#[track_caller]
fn is_quiet(rule: fn(&House) -> Vec<Finding>, path: &str, text: &str) {
    assert_eq!(
        says(rule, path, text),
        Vec::<String>::new(),
        "{path}: {text}"
    );
}

/// A member that uses these, and brings those along.
fn member(name: &str, uses: &[&str], reaches: &[&str]) -> Crate {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let manifest = format!("{name}/Cargo.toml");
    Crate {
        name: name.to_owned(),
        manifest,
        uses: owned(uses),
        reaches: owned(reaches),
    }
}

fn crates_say(rule: fn(&House) -> Vec<Finding>, crates: Vec<Crate>) -> Vec<String> {
    let house = House {
        crates,
        sources: Vec::new(),
    };
    rule(&house)
        .into_iter()
        .map(|finding| finding.what)
        .collect()
}

#[test]
fn the_house_keeps_its_rules() {
    let house = House::read().expect("the sources can be read");
    let found = check(&house);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_crate_uses_only_those_below_it() {
    let rule = super::arrows::between_crates;
    let workspace = |uses: &[&str]| {
        vec![
            member("router-policy", &[], &[]),
            member("inference-api", &[], &[]),
            member("edge-agent", &[], &[]),
            member("placement", uses, &[]),
        ]
    };
    assert_eq!(
        crates_say(rule, workspace(&["edge-agent"])),
        ["placement must not use edge-agent"]
    );
    assert!(crates_say(rule, workspace(&["router-policy", "inference-api"])).is_empty());

    let beside = vec![
        member("router-policy", &[], &[]),
        member("inference-api", &["router-policy"], &[]),
    ];
    assert_eq!(
        crates_say(rule, beside),
        ["inference-api must not use router-policy"]
    );
}

#[test]
fn the_programs_and_the_command_line_do_not_know_each_other() {
    let rule = super::arrows::between_crates;
    let workspace =
        |name: &str, other: &str| vec![member(name, &[other], &[]), member(other, &[], &[])];
    for (name, other) in [
        ("edge-agent", "cloud-gateway"),
        ("cloud-gateway", "edge-agent"),
        ("tideline-cli", "edge-agent"),
        ("tideline-cli", "cloud-gateway"),
    ] {
        let said = crates_say(rule, workspace(name, other));
        assert_eq!(said, [format!("{name} must not use {other}")]);
    }
    assert!(crates_say(rule, workspace("xtask", "edge-agent")).is_empty());
}

#[test]
fn the_decision_brings_no_runtime_along() {
    let rule = super::arrows::between_crates;
    let said = crates_say(
        rule,
        vec![member("router-policy", &["cel"], &["cel", "tokio"])],
    );
    assert_eq!(said, ["router-policy must not use tokio"]);
    let said = crates_say(rule, vec![member("router-policy", &["ulid"], &["ulid"])]);
    assert_eq!(said, ["router-policy must not use ulid"]);
    assert!(
        crates_say(
            rule,
            vec![member("router-policy", &["cel"], &["cel", "regex"])]
        )
        .is_empty()
    );
}

#[test]
fn only_model_runtime_uses_ort() {
    let rule = super::arrows::onnx_runtime;
    let said = crates_say(rule, vec![member("placement", &["ort"], &["ort"])]);
    assert_eq!(said, ["placement must not use ort"]);
    assert!(crates_say(rule, vec![member("model-runtime", &["ort"], &["ort"])]).is_empty());
}

#[test]
fn the_decision_has_no_clock_and_no_unordered_map() {
    let rule = super::pure::policy;
    let path = "router-policy/src/score.rs";
    fires(rule, path, "fn f() {\n    let now = Instant::now();\n}", 2);
    fires(rule, path, "use std::collections::HashMap;", 1);
    fires(rule, path, "async fn f() {}", 1);
    is_quiet(
        rule,
        path,
        "// no HashMap\nuse std::collections::BTreeMap;\nfn f(now: Instant) {}",
    );
    is_quiet(
        rule,
        "router-policy/src/score/tests.rs",
        "use std::collections::HashMap;",
    );
    is_quiet(
        rule,
        "placement/src/route.rs",
        "use std::collections::HashMap;",
    );
}

#[test]
fn state_machines_know_neither_tokio_nor_the_time() {
    let rule = super::pure::state_machines;
    fires(
        rule,
        "edge-agent/src/fleet/session.rs",
        "use tokio::time::Instant;",
        1,
    );
    fires(
        rule,
        "cloud-gateway/src/rollout.rs",
        "\nlet now = SystemTime::now();",
        2,
    );
    fires(
        rule,
        "cloud-gateway/src/fleet/session/hello.rs",
        "x.await",
        1,
    );
    is_quiet(
        rule,
        "edge-agent/src/fleet/session.rs",
        "fn on(&mut self, now: Instant) {}",
    );
    is_quiet(
        rule,
        "edge-agent/src/fleet/link.rs",
        "use tokio::time::Instant;",
    );
}

#[test]
fn the_inference_api_knows_no_fleet() {
    let rule = super::generated::in_inference_api;
    fires(
        rule,
        "inference-api/src/oip.rs",
        "use tideline_proto::tideline::fleet::v1::Ack;",
        1,
    );
    is_quiet(
        rule,
        "inference-api/src/oip.rs",
        "use tideline_proto::inference::ModelInferRequest;",
    );
}

#[test]
fn generated_types_stay_at_the_edges() {
    let rule = super::generated::at_the_edges;
    fires(
        rule,
        "edge-agent/src/spool.rs",
        "//!\nuse tideline_proto::x::Outcome;",
        2,
    );
    is_quiet(
        rule,
        "edge-agent/src/fleet/encode.rs",
        "use tideline_proto::x::Outcome;",
    );
    is_quiet(
        rule,
        "inference-api/src/oip/grpc.rs",
        "use tideline_proto::x::ModelInferRequest;",
    );
    is_quiet(
        rule,
        "edge-agent/src/spool.rs",
        "//! Not tideline_proto::x::Outcome.",
    );
}

#[test]
fn a_message_is_converted_on_one_side() {
    let rule = super::generated::one_way;
    fires(
        rule,
        "edge-agent/src/fleet/encode.rs",
        "fn f() -> GatewayMessage {}",
        1,
    );
    fires(
        rule,
        "cloud-gateway/src/fleet/decode.rs",
        "fn f() -> GatewayMessage {}",
        1,
    );
    is_quiet(
        rule,
        "edge-agent/src/fleet/encode.rs",
        "fn f() -> AgentMessage {}",
    );
    is_quiet(
        rule,
        "cloud-gateway/src/fleet/encode.rs",
        "fn f() -> GatewayMessage {}",
    );
}

#[test]
fn content_leaves_through_the_doors_alone() {
    let rule = super::egress::content_clients;
    let client = "use x::InferenceServiceClient;";
    fires(rule, "edge-agent/src/api.rs", client, 1);
    fires(rule, "edge-agent/src/execute/remote.rs", client, 1);
    fires(
        rule,
        "cloud-gateway/src/front.rs",
        "use reqwest::Client;",
        1,
    );
    is_quiet(
        rule,
        "edge-agent/src/execute/remote.rs",
        "use x::{InferenceServiceClient, EgressPermit};",
    );
    is_quiet(
        rule,
        "cloud-gateway/src/backends/openai.rs",
        "use reqwest::Client; fn f(b: Boundary) {}",
    );
    is_quiet(
        rule,
        "edge-agent/src/api.rs",
        "// InferenceServiceClient is elsewhere",
    );
}

#[test]
fn a_permit_is_given_up_and_not_lent() {
    let rule = super::egress::permits_by_value;
    fires(
        rule,
        "edge-agent/src/execute/remote.rs",
        "fn send(permit: &EgressPermit) {}",
        1,
    );
    is_quiet(
        rule,
        "edge-agent/src/execute/remote.rs",
        "fn send(permit: EgressPermit) {}",
    );
}

#[test]
fn metrics_and_spans_are_named_in_telemetry() {
    let rule = super::names::in_telemetry;
    fires(
        rule,
        "edge-agent/src/spool.rs",
        "counter!(\"spool_total\").increment(1);",
        1,
    );
    fires(
        rule,
        "edge-agent/src/spool.rs",
        "metrics::gauge!(\n  \"depth\")",
        1,
    );
    fires(
        rule,
        "edge-agent/src/spool.rs",
        "tracing::info_span!(\"route\")",
        1,
    );
    fires(
        rule,
        "edge-agent/src/spool.rs",
        "#[tracing::instrument]\nfn f() {}",
        1,
    );
    is_quiet(
        rule,
        "edge-agent/src/telemetry.rs",
        "counter!(\"spool_total\").increment(1);",
    );
    is_quiet(
        rule,
        "edge-agent/src/spool.rs",
        "let f = f.instrument(telemetry::route());",
    );
    is_quiet(
        rule,
        "edge-agent/src/spool.rs",
        "counter!(telemetry::SPOOL).increment(1);",
    );
}

#[test]
fn the_environment_is_read_in_config() {
    let rule = super::environment::in_config;
    fires(
        rule,
        "edge-agent/src/agent.rs",
        "let x = std::env::var(\"X\");",
        1,
    );
    fires(
        rule,
        "edge-agent/src/main.rs",
        "#[arg(long, env = \"X\")]",
        1,
    );
    is_quiet(
        rule,
        "edge-agent/src/config.rs",
        "let x = std::env::var(\"X\");",
    );
    is_quiet(
        rule,
        "edge-agent/src/main.rs",
        "#[arg(long)]\nenvironment: String",
    );
    is_quiet(
        rule,
        "edge-agent/tests/api.rs",
        "let x = std::env::var(\"X\");",
    );
}

#[test]
fn a_file_opens_with_its_page() {
    let rule = super::pages::first_line;
    fires(rule, "cli/src/main.rs", "fn main() {}", 1);
    is_quiet(
        rule,
        "cli/src/main.rs",
        "//! The command line.\nfn main() {}",
    );
    is_quiet(rule, "proto/src/gen/tideline.fleet.v1.rs", "// generated");
}

#[test]
fn a_file_has_an_end() {
    let rule = super::pages::length;
    fires(rule, "cli/src/main.rs", &"x\n".repeat(601), 601);
    is_quiet(rule, "cli/src/main.rs", &"x\n".repeat(600));
}

#[test]
fn members_take_their_lints_from_the_workspace() {
    let of = |text: &str| {
        let sources = vec![Source::new("cli/Cargo.toml", text)];
        let house = House {
            crates: vec![member("cli", &[], &[])],
            sources,
        };
        super::manifests::lints(&house).len()
    };
    assert_eq!(of("[package]\n\n[lints]\nworkspace = true\n"), 0);
    assert_eq!(of("[package]\nworkspace = true\n"), 1);
    assert_eq!(of("[lints]\n[lints.rust]\nworkspace = true\n"), 1);
}

#[test]
fn messages_are_parts_of_sentences() {
    let rule = super::messages::style;
    let path = "placement/src/error.rs";
    fires(rule, path, "#[error(\"Could not\")]", 1);
    fires(rule, path, "\n#[error(\n    \"could not.\"\n)]", 2);
    is_quiet(rule, path, "#[error(\"could not read {path}\")]");
    is_quiet(rule, path, "#[error(\"ONNX Runtime was not found\")]");
    is_quiet(rule, path, "#[error(transparent)]\nstruct X(\"No.\")");
}

#[test]
fn the_page_on_the_protocols_follows_the_files() {
    let house = |page: &str, proto: &str| House {
        crates: Vec::new(),
        sources: vec![
            Source::new(protocol::PAGE, page),
            Source::new("proto/tideline/a.proto", proto),
        ],
    };
    let page = protocol::refreshed(&house("", "message A {}"), "# Protocols\n");
    assert!(
        page.starts_with("# Protocols\n\n") && page.contains("proto/tideline/a.proto"),
        "{page}"
    );
    assert!(protocol::fresh(&house(&page, "message A {}")).is_empty());
    assert_eq!(protocol::fresh(&house(&page, "message B {}")).len(), 1);
    let more = format!("{page}\nAnd so on.\n");
    let again = protocol::refreshed(&house(&more, "message B {}"), &more);
    assert!(
        again.ends_with("\nAnd so on.\n") && again != more,
        "{again}"
    );
    assert!(protocol::fresh(&house(&again, "message B {}")).is_empty());
}

#[test]
fn paths_of_a_machine_stay_out() {
    let rule = super::words::absent;
    let path = format!("x\nsee {}{}here", "/wo", "rk/");
    fires(rule, "docs/agent.md", &path, 2);
    is_quiet(rule, "docs/agent.md", "see the network/ and the framework/");
}

#[test]
fn comments_and_literals_are_not_code() {
    let code = |text: &str| Source::new("x.rs", text).code;
    assert_eq!(code("a // b\nc"), "a     \nc");
    assert_eq!(code("a /* b /* c */ */ d"), "a                 d");
    assert_eq!(code(r#"f("a \" b", 'c')"#), r#"f("      ", ' ')"#);
    assert_eq!(code(r##"f(r#"a " b"#, g)"##), r##"f(r#"     "#, g)"##);
    assert_eq!(
        code("fn f<'a>(x: &'a str, y: '\\'')"),
        "fn f<'a>(x: &'a str, y: '  ')"
    );
    assert_eq!(code("\"ä\" b"), "\"  \" b");
}
