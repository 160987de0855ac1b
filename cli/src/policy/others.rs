//! What would have had to be different for a recorded request to run elsewhere.

use std::path::PathBuf;

use router_policy::Policy;

use super::decode::Recorded;
use super::files::Files;
use crate::client::{Failure, Gateway};

/// What is known of it.
#[derive(Debug)]
pub(crate) enum Others {
    /// One line for each other candidate that some change would make serve.
    Told(Vec<String>),
    /// Nothing, and why.
    Unknown(&'static str),
}

/// Decides the request again, under the policy that decided it: the one in `files`, or else the
/// gateway's own.
pub(crate) async fn others(
    request: Recorded,
    files: &[PathBuf],
    gateway: &mut Gateway,
) -> Result<Others, Failure> {
    let policy = if files.is_empty() {
        let documents = gateway.policy(request.policy_hash.clone()).await?;
        documents.and_then(|text| Policy::compile("the gateway's policy", &text).ok())
    } else {
        Some(super::load(&Files::read(files)?, None)?)
    };
    let policy = policy.filter(|policy| policy.hash().to_hex() == request.policy_hash);
    let (Some(policy), Some((record, chosen))) = (policy, request.decided) else {
        return Ok(Others::Unknown(
            "the policy that decided is needed: --policy FILE",
        ));
    };
    let again = policy.replay(&record);
    if again.chosen().ok() != chosen {
        return Ok(Others::Unknown("a plug-in had its say"));
    }
    let others = again.counterfactuals();
    Ok(Others::Told(
        others.iter().map(ToString::to_string).collect(),
    ))
}
