//! The agent's side of the control plane: what is said (`message`), when (`session`, pure), over
//! what (`link`), and how it looks on the wire (`encode`, `decode`).

mod decode;
mod encode;
mod endpoint;
pub(crate) mod link;
mod message;
mod session;

pub use endpoint::{Bearer, EndpointError, GatewayChannel, GatewayEndpoint};
pub(crate) use endpoint::{brief, innermost};
pub use link::{LinkParts, LinkView};
pub use message::{
    BackendHint, FromGateway, GatewayHeartbeat, Heartbeat, Hello, Hints, Numbered, Offer, Site,
    SiteBoundary, ToGateway, Welcome, Window,
};
pub use session::{Action, Event, LinkStatus, Session, Timing};
