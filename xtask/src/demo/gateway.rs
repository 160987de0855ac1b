//! The gateway's side of the story, as its operator is told it by the `tideline` command line.

use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::Value;

use super::fleet::Fleet;
use crate::program::Events;

/// How long the last outcomes may be on their way.
const DELIVERY: Duration = Duration::from_secs(20);

/// What the gateway itself counted and stored.
#[derive(Debug)]
pub(crate) struct Witness {
    /// Requests that ran there.
    pub served: usize,
    /// Outcomes that arrived, each once.
    pub outcomes: usize,
    /// Outcomes whose request was labelled as sensitive and ran anywhere but on the device.
    pub sensitive_away: usize,
}

impl Witness {
    /// Asks the gateway, once the outcomes of `requests` have arrived.
    ///
    /// # Errors
    ///
    /// When it does not answer, or outcomes are missing for too long.
    pub(crate) fn ask(fleet: &Fleet, requests: usize, events: &Events) -> Result<Self> {
        let mut heard = Err(anyhow!("the gateway was not asked"));
        let complete = || {
            heard = hear(fleet, requests);
            heard
                .as_ref()
                .map_or(true, |witness| witness.outcomes == requests)
        };
        events.until("the delivery of the last outcomes", DELIVERY, complete)?;
        heard
    }
}

/// What the gateway says now; of outcomes, the newest.
fn hear(fleet: &Fleet, newest: usize) -> Result<Witness> {
    let served = fleet.gateway_says(&["served"])?;
    let outcomes = fleet.gateway_says(&["outcomes", "list", "--limit", &newest.to_string()])?;
    let requests = served.iter().filter_map(|count| index(&count["requests"]));
    Ok(Witness {
        served: requests.sum(),
        outcomes: outcomes.len(),
        sensitive_away: outcomes
            .iter()
            .filter(|outcome| is_sensitive_away(outcome))
            .count(),
    })
}

/// Whether the request was labelled and its decision sent it anywhere.
fn is_sensitive_away(outcome: &Value) -> bool {
    let decision = &outcome["decision"];
    let labels = decision["facts"]["request"]["labels"].as_array();
    let placement = index(&decision["chosen"]).map(|row| &decision["table"][row]["placement"]);
    labels.is_some_and(|labels| !labels.is_empty()) && placement.is_some_and(|it| it != "device")
}

fn index(value: &Value) -> Option<usize> {
    value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
}
