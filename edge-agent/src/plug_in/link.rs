//! The connection to a plug-in. It comes about when the plug-in is first asked, and again when it was
//! lost.

use futures::FutureExt as _;
use placement::{Advising, DecisionId, PlugIn, PlugInError};
use router_policy::Decision;
use tideline_proto::tideline::policy::v1::policy_service_client::PolicyServiceClient;
use tonic::transport::{Channel, Endpoint};

use crate::config::PlugInConfig;

/// Largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 256 << 10;

/// A plug-in that is asked over gRPC. It connects when it is first asked, and again when it was lost.
#[derive(Debug, Clone)]
pub(crate) struct RemotePlugIn(PolicyServiceClient<Channel>);

impl RemotePlugIn {
    /// The plug-in that is configured.
    ///
    /// # Errors
    /// When its address is none.
    pub(crate) fn new(config: &PlugInConfig) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(config.url.to_string())?
            .connect_timeout(config.deadline())
            .tcp_nodelay(true);
        let client = PolicyServiceClient::new(endpoint.connect_lazy());
        Ok(Self(client.max_decoding_message_size(MAX_ANSWER_BYTES)))
    }
}

impl PlugIn for RemotePlugIn {
    fn advise(&self, id: DecisionId, decision: &Decision) -> Advising {
        let mut client = self.0.clone();
        let question = super::encode::question(id, decision);
        async move {
            let answer = client.decide(question).await;
            let answer = answer.map_err(|status| PlugInError::Failed(status.code().to_string()))?;
            Ok(super::decode::advice(answer.into_inner()))
        }
        .boxed()
    }
}
