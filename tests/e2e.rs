//! A gateway and an agent as processes, and what their clients see.

mod cascade;
mod clients;
mod durable;
mod first_request;
mod hostile;
mod models;
mod offline;
mod policy;
mod privacy;
mod start_and_stop;
mod upstreams;
