//! Proofs about delivery: everything arrives, each counted once, whatever is killed when.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Delivery;
use crate::fleet::{GatewayEndpoint, LinkView};
use crate::spool::{Limits, Spool};
use crate::tests::gateway::{FakeGateway, well};

fn spool() -> (TempDir, Arc<Spool>) {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Limits::default()).unwrap();
    (folder, Arc::new(spool))
}

/// A view of a link that can be made to stand and fall by hand.
async fn attach(view: &watch::Sender<LinkView>, gateway: &FakeGateway) {
    let endpoint = GatewayEndpoint::new(&gateway.url().parse().unwrap(), None).unwrap();
    let channel = endpoint.connect().await.unwrap();
    view.send_modify(|view| view.channel = Some(channel));
}

#[tokio::test]
async fn outcomes_of_an_offline_time_arrive_each_once_when_the_gateway_is_back() {
    let (_folder, spool) = spool();
    let view = watch::Sender::new(LinkView::new(Instant::now()));
    let stop = CancellationToken::new();
    let delivery = Delivery {
        device_id: "d".into(),
        spool: spool.clone(),
        view: view.subscribe(),
    };
    let task = tokio::spawn(delivery.run(stop.clone()));
    for _ in 0..300 {
        spool.append(&[]).unwrap();
    }

    let mut gateway = FakeGateway::start(well);
    attach(&view, &gateway).await;
    let seen = gateway.sees(|seen| seen.outcomes.len() == 300).await;
    assert_eq!(
        (seen.repeated, *seen.outcomes.keys().last().unwrap()),
        (0, 300)
    );

    let address = gateway.kill();
    view.send_modify(|view| view.channel = None);
    spool.append(&[]).unwrap();
    let mut gateway = FakeGateway::start_at(address, well);
    attach(&view, &gateway).await;
    let seen = gateway.sees(|seen| seen.outcomes.contains_key(&301)).await;
    assert_eq!(
        seen.outcomes.len(),
        1,
        "what was acknowledged does not come again"
    );

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), task)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(spool.figures().waiting, 0);
}

#[tokio::test]
async fn what_is_left_at_the_end_is_delivered_before_the_agent_goes() {
    let (_folder, spool) = spool();
    let mut gateway = FakeGateway::start(well);
    let view = watch::Sender::new(LinkView::new(Instant::now()));
    attach(&view, &gateway).await;
    let stop = CancellationToken::new();
    stop.cancel();
    spool.append(&[]).unwrap();
    Delivery {
        device_id: "d".into(),
        spool: spool.clone(),
        view: view.subscribe(),
    }
    .run(stop)
    .await;
    gateway.sees(|seen| seen.outcomes.len() == 1).await;
}
