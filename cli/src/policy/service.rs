//! `tideline policy serve`: a policy as a plug-in that other deciders ask.

use std::net::SocketAddr;

use router_policy::{Boundary, Cause, Decision, Policy, Verdict};
use tideline_proto::tideline::policy::v1 as wire;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use wire::policy_service_server::{PolicyService, PolicyServiceServer};

use super::decode;
use crate::client::Failure;

/// Largest question, in bytes.
const MAX_QUESTION_BYTES: usize = 1 << 20;

pub(super) async fn run(policy: Policy, listen: SocketAddr) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Failed(format!("cannot serve on {listen}: {error}"))
    };
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    println!("policy {policy} decides on grpc://{address}, Ctrl-C ends it");
    let service = PolicyServiceServer::new(Decides(policy));
    let stop = async {
        tokio::signal::ctrl_c().await.ok();
    };
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    Server::builder()
        .add_service(service.max_decoding_message_size(MAX_QUESTION_BYTES))
        .serve_with_incoming_shutdown(incoming, stop)
        .await
        .map_err(|error| failed(&error))
}

struct Decides(Policy);

#[tonic::async_trait]
impl PolicyService for Decides {
    async fn decide(
        &self,
        request: Request<wire::DecideRequest>,
    ) -> Result<Response<wire::DecideResponse>, Status> {
        let record = decode::question(request.get_ref()).ok_or_else(|| {
            Status::invalid_argument("a question has facts, and candidates with a kind and a site")
        })?;
        Ok(Response::new(answer(&self.0.replay(&record))))
    }
}

fn answer(decision: &Decision) -> wire::DecideResponse {
    let boundary = match decision.boundary() {
        Boundary::Device => wire::Boundary::Device,
        Boundary::Private => wire::Boundary::Private,
        Boundary::Cloud => wire::Boundary::Cloud,
    };
    let places = (0_u32..).zip(decision.table());
    let refused = places.filter_map(|(candidate, row)| match row.verdict {
        Verdict::Refused(cause) => Some(wire::IndexedRefusal {
            candidate,
            refusal: Some(refusal(decision, cause)),
        }),
        Verdict::Admitted { .. } | Verdict::Avoided { .. } => None,
    });
    wire::DecideResponse {
        boundary: boundary.into(),
        refused: refused.collect(),
        admitted: decision
            .order()
            .iter()
            .filter_map(|at| u32::try_from(*at).ok())
            .collect(),
        reason: decision.reason(),
        policy_hash: decision.policy_hash().to_hex(),
    }
}

fn refusal(decision: &Decision, cause: Cause) -> wire::Refusal {
    wire::Refusal {
        by: decision.policy().name().to_owned(),
        why: decision.cause(cause),
    }
}
