//! Content leaves a device in one place, and a gateway in another: no other file can even name a
//! client that carries it, and a permit to send is given up with what is sent.

use super::Finding;
use super::house::House;
use super::source::Source;

/// Clients that can carry content.
const CLIENTS: &[&str] = &[
    "inference_service_client",
    "InferenceServiceClient",
    "grpc_inference_service_client",
    "GrpcInferenceServiceClient",
    "reqwest",
    "ureq",
];

/// Where content may leave: a program, its files, and the words of which such a file must say one. A
/// `Speaker` is only ever asked by what has held the request's boundary against the service's.
const DOORS: &[(&str, &[&str], &[&str])] = &[
    (
        "edge-agent",
        &[
            "edge-agent/src/execute/remote.rs",
            "edge-agent/src/execute/split.rs",
        ],
        &["EgressPermit"],
    ),
    (
        "cloud-gateway",
        &[
            "cloud-gateway/src/backends/",
            "cloud-gateway/src/backends.rs",
        ],
        &["Boundary", "Speaker"],
    ),
];

/// Only the doors name a client that carries content, and they name what guards it.
pub(crate) fn content_clients(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for &(program, doors, guards) in DOORS {
        for source in house.product(program) {
            let Some(at) = CLIENTS.iter().find_map(|client| source.says(client).next()) else {
                continue;
            };
            let is_door = doors.iter().any(|door| source.path.starts_with(door));
            let (what, instead) = if !is_door {
                (
                    "a client that can carry content",
                    format!("send it from {}", doors.join(" or ")),
                )
            } else if guards
                .iter()
                .all(|guard| source.says(guard).next().is_none())
            {
                (
                    "a client with nothing that guards it",
                    format!("ask for the {}", guards.join(" or the ")),
                )
            } else {
                continue;
            };
            findings.push(Finding::new(&source.path, source.line(at), what, instead));
        }
    }
    findings
}

/// A permit is taken by value: once used, it is gone.
pub(crate) fn permits_by_value(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The policy's own methods may look at their permit.
    let outside =
        |source: &&Source| source.is_product() && !source.path.starts_with("router-policy/");
    for source in house.sources.iter().filter(outside) {
        for at in source
            .says("&EgressPermit")
            .chain(source.says("&mut EgressPermit"))
        {
            findings.push(Finding::new(
                &source.path,
                source.line(at),
                "a permit that is lent",
                "take the EgressPermit by value, so that it serves once",
            ));
        }
    }
    findings
}
