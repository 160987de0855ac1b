//! The gRPC services, each with its limits and behind its own token.

use axum::Router;
use inference_api::{Front, Limits};
use tideline_proto::FILE_DESCRIPTOR_SET;
use tideline_proto::tideline::admin::v1::admin_service_server::AdminServiceServer;
use tideline_proto::tideline::fleet::v1::fleet_service_server::FleetServiceServer;
use tideline_proto::tideline::inference::v1::inference_service_server::InferenceServiceServer;
use tideline_proto::tideline::telemetry::v1::telemetry_service_server::TelemetryServiceServer;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;

use crate::access::Secret;
use crate::admin::Admin;
use crate::fleet::Fleet;
use crate::inference::Inference;
use crate::outcomes::Telemetry;

/// Largest message of the control stream and of outcomes, in bytes.
const MAX_CONTROL_BYTES: usize = 4 << 20;
/// Largest question of an operator, in bytes.
const MAX_QUESTION_BYTES: usize = 64 << 10;
/// Largest answer to an operator, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Every service, as health and reflection name it.
const SERVICES: [&str; 6] = [
    "",
    "inference.GRPCInferenceService",
    "tideline.admin.v1.AdminService",
    "tideline.fleet.v1.FleetService",
    "tideline.inference.v1.InferenceService",
    "tideline.telemetry.v1.TelemetryService",
];

/// What is served over gRPC.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) fleet: Fleet,
    pub(crate) telemetry: Telemetry,
    pub(crate) inference: Inference,
    pub(crate) admin: Admin,
    pub(crate) front: Front,
    pub(crate) limits: Limits,
    /// What agents show.
    pub(crate) fleet_token: Secret,
    /// What operators and thin clients show.
    pub(crate) admin_token: Secret,
}

/// Tells health that the gateway stops serving.
pub(crate) struct Health(HealthReporter);

impl Health {
    pub(crate) async fn stop(&self) {
        for service in SERVICES {
            self.0
                .set_service_status(service, ServingStatus::NotServing)
                .await;
        }
    }
}

/// Everything over gRPC, serving.
pub(crate) async fn grpc(
    services: Services,
) -> Result<(Router, Health), tonic_reflection::server::Error> {
    let Services {
        fleet,
        telemetry,
        inference,
        admin,
        front,
        limits,
        fleet_token,
        admin_token,
    } = services;
    let (reporter, health) = health_reporter();
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::Serving)
            .await;
    }
    let fleet = FleetServiceServer::new(fleet)
        .max_decoding_message_size(MAX_CONTROL_BYTES)
        .max_encoding_message_size(MAX_CONTROL_BYTES);
    let telemetry = TelemetryServiceServer::new(telemetry)
        .max_decoding_message_size(MAX_CONTROL_BYTES)
        .max_encoding_message_size(MAX_CONTROL_BYTES);
    let inference = InferenceServiceServer::new(inference)
        .max_decoding_message_size(limits.max_tensor_bytes)
        .max_encoding_message_size(limits.max_tensor_bytes);
    let admin = AdminServiceServer::new(admin)
        .max_decoding_message_size(MAX_QUESTION_BYTES)
        .max_encoding_message_size(MAX_ANSWER_BYTES);
    let routes = Routes::new(InterceptedService::new(fleet, fleet_token.clone()))
        .add_service(InterceptedService::new(telemetry, fleet_token.clone()))
        .add_service(InterceptedService::new(inference, fleet_token))
        .add_service(InterceptedService::new(admin, admin_token.clone()))
        .add_service(InterceptedService::new(
            inference_api::oip::grpc(front),
            admin_token,
        ))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    Ok((routes.into_axum_router(), Health(reporter)))
}

fn reflection() -> Builder<'static> {
    let builder = Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    let named = SERVICES.into_iter().filter(|name| !name.is_empty());
    named
        .chain(["grpc.health.v1.Health"])
        .fold(builder, Builder::with_service_name)
}
