//! What would change is counted once, and what newly travels is seen.

use router_policy::read_request;

use super::*;

fn recorded(labels: &str, chosen: usize) -> Recorded {
    let text = format!(
        "facts: {{ request: {{ labels: [{labels}] }} }}
candidates:
  - {{ kind: device, latencySeconds: 0.1, latencySdSeconds: 0.01, costUsd: 0, errorProbability: 0.5 }}
  - {{ kind: cloud, latencySeconds: 0.1, latencySdSeconds: 0.01, costUsd: 0.01 }}
"
    );
    Recorded {
        decided: Some((read_request("r", &text).unwrap(), Some(chosen))),
        ..Recorded::default()
    }
}

#[test]
fn what_would_newly_travel_is_seen_and_the_rest_is_summed() {
    let policy = Policy::compile("new", "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: new }\nspec:\n  rules: [{ name: mail, when: '\"pii.email\" in request.labels', boundary: device }]\n  default: { boundary: cloud }\n").unwrap();
    let outcomes = [
        recorded("pii.email", 0),
        recorded("pii.phone", 0),
        recorded("", 1),
        Recorded::default(),
    ];
    let change = replay(&policy, outcomes.into_iter());
    assert_eq!((change.requests, change.skipped, change.denied), (4, 1, 0));
    assert_eq!(change.egress.len(), 1);
    assert_eq!(change.egress[0].labels, ["pii.phone"]);
    assert_eq!(change.cost.percent(), Some(100.0));
    assert_eq!(change.latency.change_text("s"), "+0.000000 ± 0.027719 s");
    assert_eq!(
        change.moved.iter().map(|(.., count)| count).sum::<usize>(),
        3
    );
    let broken = |text: &str| limit::parse(text).unwrap().broken(&change);
    assert!(broken("egress").is_some() && broken("cost>5%").is_some());
    assert!(
        broken("denied").is_none()
            && broken("latency>1%").is_none()
            && broken("cost>100").is_none()
    );
}

#[test]
fn ages_and_limits_are_read_or_refused() {
    assert_eq!(age("7d"), Ok(Duration::from_secs(7 * 86_400)));
    for wrong in ["", "d", "7", "7w", "-1d", "é"] {
        assert!(age(wrong).is_err(), "{wrong}");
    }
    for wrong in [
        "", "egres", "cost", "cost>", "cost>x%", "price>5%", "cost>inf",
    ] {
        assert!(limit::parse(wrong).is_err(), "{wrong}");
    }
}
