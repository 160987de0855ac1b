//! The HTTP client of everything here.

use std::time::Duration;

/// A client with its limits; an error status is an answer like any other.
pub(crate) fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent()
}
