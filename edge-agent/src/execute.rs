//! What runs requests: models on this laptop, and sites behind the gateway. Each becomes routes
//! that the router chooses among.

mod decode;
mod encode;
mod local;
mod remote;
mod sites;

pub(crate) use self::local::routes as local_routes;
pub(crate) use self::sites::routes as site_routes;
