//! Where a request would run, told to whoever asks: the whole decision, what would have to be different
//! for another placement, and no content.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use inference_api::{DryRun, InferenceError, InferenceRequest};
use serde_json::{Value, json};

use crate::outcome::Decided;
use crate::route::PlacementRouter;

impl DryRun for PlacementRouter {
    fn dry_run(
        &self,
        request: InferenceRequest,
    ) -> BoxFuture<'static, Result<Value, InferenceError>> {
        let router = self.clone();
        async move {
            let decided = router.decide_only(request).await?;
            // Looking for what would have to be different takes milliseconds.
            let told = tokio::task::spawn_blocking(move || tell(&decided)).await;
            told.map_err(|stopped| InferenceError::internal().with_log(stopped))
        }
        .boxed()
    }
}

fn tell(decided: &Decided) -> Value {
    let decision = &decided.decision;
    let others = decision.counterfactuals();
    let others = others.iter().map(|other| {
        let changes: Vec<String> = other.changes.iter().map(ToString::to_string).collect();
        json!({ "candidate": other.candidate, "name": other.name, "if": changes })
    });
    json!({
        "facts": { "request": decision.request(), "slow": decision.slow() },
        "mode": decision.mode(),
        "decision": decision,
        "counterfactuals": others.collect::<Vec<_>>(),
        "text": router_policy::explain(decision),
    })
}
