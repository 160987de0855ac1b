//! Where the types that are generated from the .proto files may be named. Everything behind the
//! edges speaks in our own types, so that a change of the wire stays at the edge.

use super::Finding;
use super::house::House;
use super::source::Source;

/// Files in which a program meets the wire, by their names or their folders'.
const EDGES: &[&str] = &["encode", "decode", "service", "link", "oip"];

/// Files that hold a generated client, by their paths: the executors that carry content away, the
/// transports of the control stream, and the command line's client.
const CLIENTS: &[&str] = &[
    "edge-agent/src/execute/remote.rs",
    "edge-agent/src/execute/split.rs",
    "edge-agent/src/fleet/transport/",
    "cloud-gateway/src/backends/",
    "cli/src/client.rs",
];

/// Whole messages that an agent sends.
const FROM_AGENT: &[&str] = &["AgentMessage", "OutcomeBatch", "ExecuteRequest"];

/// Whole messages that a gateway sends.
const FROM_GATEWAY: &[&str] = &["GatewayMessage", "OutcomeAck", "ExecuteEvent"];

/// The inference API knows the open protocol, and no fleet.
pub(crate) fn in_inference_api(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in house.product("inference-api") {
        for at in source
            .says("tideline_proto::tideline")
            .chain(source.says("tideline_proto::fleet"))
        {
            findings.push(Finding::new(
                &source.path,
                source.line(at),
                "the inference API names a message of the fleet",
                "of tideline-proto it may use the Open Inference Protocol alone",
            ));
        }
    }
    findings
}

/// Generated types are named only where the wire is met.
pub(crate) fn at_the_edges(house: &House) -> Vec<Finding> {
    let inside = |source: &&Source| source.is_product() && !source.path.starts_with("proto/");
    let mut findings = Vec::new();
    for source in house
        .sources
        .iter()
        .filter(inside)
        .filter(|source| !is_edge(source))
    {
        for at in source.says("tideline_proto") {
            findings.push(Finding::new(
                &source.path,
                source.line(at),
                "a generated type behind the edge",
                format!(
                    "convert in a file called {}, and pass a type of ours",
                    EDGES.join(", ")
                ),
            ));
        }
    }
    findings
}

/// A program encodes what it sends and decodes what it receives, neither both for one message.
pub(crate) fn one_way(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (program, sends, receives) in [
        ("edge-agent", FROM_AGENT, FROM_GATEWAY),
        ("cloud-gateway", FROM_GATEWAY, FROM_AGENT),
    ] {
        for source in house.product(program) {
            let foreign = match source.stem() {
                "encode" => receives,
                "decode" => sends,
                _ => continue,
            };
            for &message in foreign {
                for at in source.says(message) {
                    findings.push(Finding::new(
                        &source.path,
                        source.line(at),
                        format!("{message} is converted on its wrong side"),
                        "encode what this program sends, decode what it receives",
                    ));
                }
            }
        }
    }
    findings
}

fn is_edge(source: &Source) -> bool {
    let path = source.path.as_str();
    EDGES.contains(&source.stem())
        || path.split('/').any(|folder| EDGES.contains(&folder))
        || CLIENTS.iter().any(|client| path.starts_with(client))
}
