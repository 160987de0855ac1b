//! Proofs about the link, over real sockets to a gateway that can be killed.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{LinkParts, LinkView, run};
use crate::budgets::Budgets;
use crate::fleet::{GatewayEndpoint, Hello, LinkStatus, Timing};
use crate::inventory::Inventory;
use crate::spool::{Limits, Spool};
use crate::store::StateDir;
use crate::tests::gateway::{FakeGateway, well};
use placement::{Conditions, Decider};
use router_policy::{Policy, SlowFacts};

/// A link on its own task, and what it shows.
struct Linked {
    view: watch::Receiver<LinkView>,
    inventory: watch::Sender<Inventory>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _folder: TempDir,
}

fn link(url: &str) -> Linked {
    let folder = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(folder.path(), Limits::default()).unwrap());
    let inventory = watch::Sender::new(Inventory::default());
    let view = watch::Sender::new(LinkView::new(Instant::now()));
    let watched = view.subscribe();
    let parts = LinkParts {
        endpoint: GatewayEndpoint::new(&url.parse().unwrap(), Some("s3cret")).unwrap(),
        hello: Hello {
            device_id: "laptop".into(),
            agent_version: "1".into(),
            boot_id: "b".into(),
        },
        inventory: inventory.subscribe(),
        budgets: Budgets::open(
            StateDir::open(&folder.path().join("state")).unwrap(),
            Arc::new(Conditions::new(SlowFacts::default())),
            Arc::new(Decider::new(Policy::closed())),
        ),
        spool,
        view,
    };
    let quick = Timing {
        backoff_base: Duration::from_millis(10),
        backoff_cap: Duration::from_millis(100),
        ..Timing::default()
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(run(parts, quick, stop.clone()));
    Linked {
        view: watched,
        inventory,
        stop,
        task,
        _folder: folder,
    }
}

impl Linked {
    async fn shows(&mut self, what: impl FnMut(&LinkView) -> bool) -> LinkView {
        let waited = tokio::time::timeout(Duration::from_secs(20), self.view.wait_for(what)).await;
        waited
            .expect("the link shows it within 20 s")
            .unwrap()
            .clone()
    }

    async fn attaches(&mut self) {
        self.shows(|view| view.channel.is_some() && view.hints.is_some())
            .await;
    }

    async fn loses(&mut self) -> LinkView {
        self.shows(|view| matches!(view.status, LinkStatus::Away { .. }) && view.channel.is_none())
            .await
    }
}

#[tokio::test]
async fn an_agent_attaches_and_tells_who_and_what_it_is() {
    let mut gateway = FakeGateway::start(well);
    let mut link = link(&gateway.url());
    link.attaches().await;
    let seen = gateway.sees(|seen| !seen.states.is_empty()).await;
    assert_eq!(seen.hellos[0].device_id, "laptop");
    assert_eq!(seen.tokens, [Some("Bearer s3cret".to_owned())]);
    assert!(seen.states[0].host.is_some());
}

#[tokio::test]
async fn a_change_is_told_without_being_asked_for() {
    let mut gateway = FakeGateway::start(well);
    let mut link = link(&gateway.url());
    link.attaches().await;
    gateway.sees(|seen| !seen.states.is_empty()).await;
    link.inventory
        .send_modify(|inventory| inventory.host.hostname = "renamed".into());
    let renamed = |seen: &crate::tests::gateway::Seen| {
        seen.states
            .iter()
            .filter_map(|state| state.host.as_ref())
            .any(|host| host.hostname == "renamed")
    };
    gateway.sees(renamed).await;
}

#[tokio::test]
async fn a_killed_gateway_is_noticed_at_once_and_found_again_when_it_is_back() {
    let gateway = FakeGateway::start(well);
    let mut link = link(&gateway.url());
    link.attaches().await;

    let address = gateway.kill();
    let away = link.loses().await;
    assert!(
        away.hints.is_some(),
        "what it could serve is still known: {away:?}"
    );

    let mut gateway = FakeGateway::start_at(address, well);
    link.attaches().await;
    gateway.sees(|seen| seen.hellos.len() == 1).await;
}

#[tokio::test]
async fn an_agent_that_stops_says_goodbye() {
    let mut gateway = FakeGateway::start(well);
    let mut link = link(&gateway.url());
    link.attaches().await;
    link.stop.cancel();
    gateway.sees(|seen| seen.goodbyes == 1).await;
    link.task.await.unwrap();
}

#[tokio::test]
async fn an_agent_without_a_gateway_keeps_trying_and_says_why() {
    let mut link = link("http://127.0.0.1:1");
    let away = link
        .shows(
            |view| matches!(&view.status, LinkStatus::Away { why, .. } if why.contains("refused")),
        )
        .await;
    assert!(away.channel.is_none());
}
