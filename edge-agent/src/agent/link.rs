//! What the agent does with its gateway: keeps attached, offers what the gateway can serve to the
//! router, and delivers outcomes.

use std::sync::Arc;

use placement::{Conditions, RouteTable};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Agent;
use crate::execute::site_routes;
use crate::fleet::{self, GatewayEndpoint, Hello, LinkParts, LinkStatus, LinkView, Timing};
use crate::outcomes::Delivery;

/// The gateway's routes; sorts behind the device's own, whose cards say more of a model.
const GATEWAY_ROUTES: &str = "gateway";

impl Agent {
    /// Attaches to the gateway at `endpoint`, for as long as the agent serves.
    pub(super) fn attach(
        &self,
        endpoint: GatewayEndpoint,
        tasks: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) {
        let view = watch::Sender::new(LinkView::new(Instant::now()));
        let delivery = Delivery {
            device_id: self.identity.device_id.clone(),
            spool: self.spool.clone(),
            view: view.subscribe(),
        };
        let offer = offer(
            view.subscribe(),
            self.routes.clone(),
            self.conditions.clone(),
        );
        let parts = LinkParts {
            endpoint,
            hello: Hello {
                device_id: self.identity.device_id.clone(),
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                boot_id: self.identity.boot_id.clone(),
            },
            inventory: self.inventory.subscribe(),
            budgets: self.budgets.clone(),
            spool: self.spool.clone(),
            view,
        };
        // The link ends after the last delivery: what it delivers over is the link's connection.
        let delivered = CancellationToken::new();
        let done = delivered.clone().drop_guard();
        let stopped = stop.clone();
        tasks.spawn(async move {
            delivery.run(stopped).await;
            drop(done);
        });
        tasks.spawn(fleet::run(parts, Timing::default(), delivered));
        tasks.spawn(offer);
    }
}

/// Keeps the router's routes and facts as the link shows them. Ends with the link.
async fn offer(
    mut view: watch::Receiver<LinkView>,
    routes: Arc<RouteTable>,
    conditions: Arc<Conditions>,
) {
    loop {
        routes.replace(GATEWAY_ROUTES, site_routes(&view));
        let status = view.borrow_and_update().status.clone();
        conditions.update(|facts| match &status {
            LinkStatus::Attached { rtt, .. } => {
                facts.fleet.connected = true;
                facts.network.online = true;
                if let Some(rtt) = rtt {
                    facts.network.rtt_ms = rtt.as_secs_f64() * 1e3;
                }
            }
            LinkStatus::Away { .. } | LinkStatus::Refused { .. } => facts.fleet.connected = false,
        });
        if view.changed().await.is_err() {
            return;
        }
    }
}
