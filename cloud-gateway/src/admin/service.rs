//! The gRPC side of administration.

use std::sync::Arc;

use tideline_proto::tideline::admin::v1 as wire;
use tonic::{Request, Response, Status};
use wire::admin_service_server::AdminService;

use super::encode;
use crate::backends::Backends;
use crate::fleet::Registry;
use crate::store::{Cursor, Store, StoreError};
use crate::telemetry;

/// Rows of a page that asks for none in particular, and the most that one holds.
const PAGE: u32 = 100;
const MOST: u32 = 1000;

/// Answers operators.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) backends: Arc<Backends>,
    pub(crate) documents: Documents,
}

/// The text of the policy in force.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    pub(crate) hash: String,
    pub(crate) text: Arc<str>,
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn list_devices(
        &self,
        request: Request<wire::ListDevicesRequest>,
    ) -> Result<Response<wire::ListDevicesResponse>, Status> {
        let wire::ListDevicesRequest {
            page_size,
            page_token,
        } = request.into_inner();
        let size = page(page_size);
        let rows = self
            .store
            .devices(&page_token, size)
            .await
            .map_err(failed)?;
        let is_full = rows.len() == usize::try_from(size).unwrap_or(usize::MAX);
        let next_page_token = rows
            .last()
            .filter(|_| is_full)
            .map(|row| row.id.clone())
            .unwrap_or_default();
        let device = |row: crate::store::DeviceRow| {
            let standing = self.registry.standing(&row.id);
            encode::device(row, standing)
        };
        let devices = rows.into_iter().map(device).collect();
        Ok(Response::new(wire::ListDevicesResponse {
            devices,
            next_page_token,
        }))
    }

    async fn get_device(
        &self,
        request: Request<wire::GetDeviceRequest>,
    ) -> Result<Response<wire::Device>, Status> {
        let id = request.into_inner().id;
        let row = self.store.device(&id).await.map_err(failed)?;
        let row =
            row.ok_or_else(|| Status::not_found("no device of that id was ever attached here"))?;
        Ok(Response::new(encode::device(
            row,
            self.registry.standing(&id),
        )))
    }

    async fn list_outcomes(
        &self,
        request: Request<wire::ListOutcomesRequest>,
    ) -> Result<Response<wire::ListOutcomesResponse>, Status> {
        let wire::ListOutcomesRequest {
            device_id,
            page_size,
            page_token,
        } = request.into_inner();
        let cursor = match page_token.as_str() {
            "" => Cursor::newest(),
            token => Cursor::parse(token).ok_or_else(|| {
                Status::invalid_argument("page_token is none that this gateway gave")
            })?,
        };
        let size = page(page_size);
        let device = Some(device_id.as_str()).filter(|id| !id.is_empty());
        let rows = self
            .store
            .outcomes(device, &cursor, size)
            .await
            .map_err(failed)?;
        let is_full = rows.len() == usize::try_from(size).unwrap_or(usize::MAX);
        let next_page_token = rows
            .last()
            .filter(|_| is_full)
            .map(|row| row.cursor.clone())
            .unwrap_or_default();
        let outcomes = rows.into_iter().map(encode::outcome).collect();
        Ok(Response::new(wire::ListOutcomesResponse {
            outcomes,
            next_page_token,
        }))
    }

    async fn get_decision(
        &self,
        request: Request<wire::GetDecisionRequest>,
    ) -> Result<Response<wire::OutcomeRecord>, Status> {
        let id = request.into_inner().decision_id;
        let row = self.store.decision(&id).await.map_err(failed)?;
        let row = row.ok_or_else(|| Status::not_found("no outcome of that decision has arrived here; agents deliver theirs within seconds"))?;
        Ok(Response::new(encode::outcome(row)))
    }

    async fn get_policy(
        &self,
        request: Request<wire::GetPolicyRequest>,
    ) -> Result<Response<wire::GetPolicyResponse>, Status> {
        if request.into_inner().hash != self.documents.hash {
            return Err(Status::not_found("this gateway has another policy"));
        }
        let documents = self.documents.text.to_string();
        Ok(Response::new(wire::GetPolicyResponse { documents }))
    }

    async fn get_served(
        &self,
        _request: Request<wire::GetServedRequest>,
    ) -> Result<Response<wire::GetServedResponse>, Status> {
        let counts = self
            .backends
            .served()
            .into_iter()
            .map(encode::served)
            .collect();
        Ok(Response::new(wire::GetServedResponse { counts }))
    }
}

fn page(asked: u32) -> u32 {
    if asked == 0 { PAGE } else { asked.min(MOST) }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn failed(error: StoreError) -> Status {
    telemetry::store_failed(&error);
    Status::unavailable("the database did not answer")
}
