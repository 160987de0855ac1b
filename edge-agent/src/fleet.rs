//! The agent's side of the control plane: what is said (`message`), when (`session`, pure), over
//! what (`link`), and how it looks on the wire (`encode`, `decode`).

mod message;
mod session;

pub use message::{
    BackendHint, FromGateway, GatewayHeartbeat, Heartbeat, Hello, Hints, ModelTask, Numbered,
    Offer, Site, SiteBoundary, ToGateway, Welcome, Window,
};
pub use session::{Action, Event, LinkStatus, Session, Timing};
