//! A plug-in narrows; one that does not answer in time leaves the decision to `onError`.

use std::time::Duration;

use futures::FutureExt as _;
use router_policy::{Advice, Boundary, Mode, RequestFacts, read_request};

use super::*;

/// Says the same whatever it is asked, or nothing.
#[derive(Debug)]
struct Says(Option<Advice>);

impl PlugIn for Says {
    fn advise(&self, _id: DecisionId, _decision: &Decision) -> Advising {
        match self.0.clone() {
            Some(advice) => async { Ok(advice) }.boxed(),
            None => std::future::pending().boxed(),
        }
    }
}

async fn decide(says: Option<Advice>) -> Decision {
    let text = "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: x }\nspec:\n  rules: [{ name: r, boundary: private }]\n  default: { boundary: cloud }\n  onError: { boundary: device }\n";
    let decider = Decider::new(Policy::compile("x", text).unwrap()).with_plug_in(PlugInConfig {
        plug_in: Arc::new(Says(says)),
        deadline: Duration::from_millis(20),
    });
    let question = Question {
        request: RequestFacts::default(),
        mode: Mode::Unstated,
        boundary: Boundary::Cloud,
        candidates: read_request("x", "facts: {}").unwrap().candidates,
    };
    let slow = Arc::new(SlowFacts::default());
    decider
        .decide(DecisionId::generate(), &slow, question)
        .await
}

#[tokio::test(start_paused = true)]
async fn the_policy_bounds_what_a_plug_in_may_choose() {
    let advice = Advice {
        boundary: Boundary::Cloud,
        admitted: vec![2, 1, 0],
        reason: "try them all".into(),
    };
    let decision = decide(Some(advice)).await;
    assert_eq!(
        (decision.boundary(), decision.order()),
        (Boundary::Private, &[1, 0][..])
    );
    assert_eq!(decision.reason(), "cloud: try them all");
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_on_error_decides() {
    let decision = decide(None).await;
    assert_eq!(
        (decision.boundary(), decision.order()),
        (Boundary::Device, &[0][..])
    );
}
