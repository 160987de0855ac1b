//! Nothing acknowledged is lost, whatever process is killed whenever.

use std::collections::BTreeSet;

use crate::support::programs::{Agent, Gateway};

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_agent_is_killed() {
    let gateway = Gateway::start().await;
    let mut agent = Agent::start(Some(&gateway)).await;
    let mut answered = BTreeSet::new();
    for round in 0..3 {
        let api = agent.api();
        for number in 0..15 {
            let answer = api
                .embed(&format!("round {round}, text {number}"), &[])
                .await;
            assert_eq!(answer.status, 200);
            answered.insert(answer.header("x-tideline-decision-id").to_owned());
        }
        let folder = agent.folder;
        agent.process.kill().await;
        agent = Agent::start_in(folder).await;
    }
    let outcomes = gateway.outcomes(answered.len()).await;
    let stored: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome["decision"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(stored.len(), answered.len(), "each counts once");
    assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), answered);
}
