//! The agent's side of the control plane: what is said (`message`), when (`session`, pure), over
//! what (`link`), and how it looks on the wire (`encode`, `decode`).

mod decode;
mod encode;
mod endpoint;
mod link;
mod message;
mod session;

pub(crate) use endpoint::{GatewayChannel, GatewayEndpoint, brief};
pub(crate) use link::{LinkParts, LinkView, run};
pub(crate) use message::{BackendHint, Hello, SiteBoundary};
pub(crate) use session::{LinkStatus, Timing};
