//! Outcomes count once, and hostile names are only names.

use super::*;

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("gateway.db"))
        .await
        .unwrap();
    (folder, store)
}

fn batch(device: &str, sequences: std::ops::RangeInclusive<u64>) -> NewOutcomes {
    let outcome = |sequence| NewOutcome {
        sequence,
        decision_id: format!("decision-{sequence}"),
        outcome: vec![7],
    };
    NewOutcomes {
        device_id: device.into(),
        spool_id: "spool".into(),
        dropped_total: 3,
        outcomes: sequences.map(outcome).collect(),
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[tokio::test]
async fn an_outcome_that_is_delivered_twice_counts_once() {
    let (_folder, store) = store().await;
    assert_eq!(
        store
            .keep_outcomes(&batch("a", 1..=10), now())
            .await
            .unwrap(),
        10
    );
    assert_eq!(
        store
            .keep_outcomes(&batch("a", 6..=12), now())
            .await
            .unwrap(),
        2
    );
    let all = store.outcomes(None, &Cursor::newest(), 100).await.unwrap();
    assert_eq!(all.len(), 12);
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let (folder, store) = store().await;
    store.keep_device("a", "1.0", &[1, 2], now()).await.unwrap();
    store
        .keep_outcomes(&batch("a", 1..=2), now())
        .await
        .unwrap();
    drop(store);
    let store = Store::open(&folder.path().join("gateway.db"))
        .await
        .unwrap();
    let device = store.device("a").await.unwrap().unwrap();
    assert_eq!(
        (device.outcomes, device.outcomes_dropped, device.state),
        (2, 3, vec![1, 2])
    );
    assert!(store.decision("decision-2").await.unwrap().is_some());
    assert!(store.decision("decision-3").await.unwrap().is_none());
}

#[tokio::test]
async fn pages_of_outcomes_neither_repeat_nor_skip() {
    let (_folder, store) = store().await;
    for (i, device) in ["a", "b", "c"].into_iter().enumerate() {
        let at = now() + Duration::from_millis(i as u64 / 2);
        store
            .keep_outcomes(&batch(device, 1..=7), at)
            .await
            .unwrap();
    }
    let mut cursor = Cursor::newest();
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let page = store.outcomes(None, &cursor, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        cursor = Cursor::parse(&last.cursor).unwrap();
        for row in page {
            assert!(seen.insert(row.cursor));
        }
    }
    assert_eq!(seen.len(), 21);
}

#[tokio::test]
async fn sql_in_a_name_is_only_a_name() {
    let (_folder, store) = store().await;
    let name = "x'); DROP TABLE devices; --";
    store.keep_device(name, "1.0", &[], now()).await.unwrap();
    assert_eq!(store.devices("", 10).await.unwrap()[0].id, name);
    assert!(
        store
            .outcomes(Some("' OR 1=1 --"), &Cursor::newest(), 10)
            .await
            .unwrap()
            .is_empty()
    );
}
