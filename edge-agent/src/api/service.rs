//! The gRPC side of the local API: the Open Inference Protocol, health and reflection.

use axum::Router;
use inference_api::Front;
use tideline_proto::FILE_DESCRIPTOR_SET;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::health_reporter;
use tonic_reflection::server::Builder;

use crate::readiness::Readiness;

/// What health is asked about: the server as a whole, and the one service that serves models.
const SERVICES: [&str; 2] = ["", "inference.GRPCInferenceService"];

/// Everything over gRPC. Health tells of readiness, from now on.
pub(crate) async fn grpc(
    front: Front,
    readiness: Readiness,
) -> Result<Router, tonic_reflection::server::Error> {
    let (reporter, health) = health_reporter();
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
    tokio::spawn(async move {
        readiness.ready().await;
        for service in SERVICES {
            reporter
                .set_service_status(service, ServingStatus::Serving)
                .await;
        }
    });
    let routes = Routes::new(inference_api::oip::grpc(front))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    Ok(routes.into_axum_router())
}

fn reflection() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(SERVICES[1])
        .with_service_name("grpc.health.v1.Health")
}
