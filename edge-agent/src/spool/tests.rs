//! Proofs about the spool: a simple model beside the real thing, under the same steps.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Figures, Limits, Record, Spool, segment};

const ROOMY: Limits = Limits {
    segment_bytes: 200,
    total_bytes: 1 << 20,
    age: Duration::from_secs(3600),
};

fn open(dir: &Path, limits: Limits) -> Spool {
    Spool::open(dir, limits).unwrap()
}

fn all(spool: &Spool) -> Vec<Record> {
    spool.sync(SystemTime::now()).unwrap();
    spool.reader().next_batch(spool, usize::MAX).unwrap()
}

fn sequences(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.sequence).collect()
}

fn filled(limits: Limits, outcomes: u8) -> (TempDir, Spool) {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), limits);
    for outcome in 0..outcomes {
        spool.append(&[outcome; 50]).unwrap();
    }
    (folder, spool)
}

#[test]
fn outcomes_are_numbered_from_one_without_gaps() {
    let (_folder, spool) = filled(ROOMY, 20);
    let read = all(&spool);
    assert_eq!(sequences(&read), (1..=20).collect::<Vec<_>>());
    assert_eq!(read[7].payload, [7; 50]);
}

#[test]
fn what_was_appended_is_there_after_the_process_died() {
    let (folder, spool) = filled(ROOMY, 20);
    let id = spool.id().to_owned();
    drop(spool);
    let spool = open(folder.path(), ROOMY);
    assert_eq!((spool.id(), all(&spool).len()), (id.as_str(), 20));
    assert_eq!(spool.append(b"next").unwrap(), 21);
}

#[test]
fn only_what_is_durable_is_handed_out() {
    let (_folder, spool) = filled(ROOMY, 3);
    assert!(spool.reader().next_batch(&spool, 10).unwrap().is_empty());
    spool.sync(SystemTime::now()).unwrap();
    spool.append(b"late").unwrap();
    assert_eq!(
        sequences(&spool.reader().next_batch(&spool, 10).unwrap()),
        [1, 2, 3]
    );
}

#[test]
fn what_is_acknowledged_is_gone_and_its_numbers_are_never_used_again() {
    let (folder, spool) = filled(ROOMY, 20);
    all(&spool);
    spool.ack(20).unwrap();
    assert_eq!(
        spool.figures(),
        Figures {
            waiting: 0,
            dropped: 0,
            bytes: 0
        }
    );
    drop(spool);
    let spool = open(folder.path(), ROOMY);
    assert!(all(&spool).is_empty());
    assert_eq!(spool.append(b"next").unwrap(), 21);
}

#[test]
fn a_full_spool_drops_its_oldest_and_counts_them() {
    let limits = Limits {
        total_bytes: 600,
        ..ROOMY
    };
    let (folder, spool) = filled(limits, 60);
    let read = all(&spool);
    let figures = spool.figures();
    assert!(figures.bytes <= 600 + 200, "{figures:?}");
    assert_eq!(figures.dropped + read.len() as u64, 60);
    assert_eq!(read.last().map(|record| record.sequence), Some(60));
    drop(spool);
    assert_eq!(open(folder.path(), limits).figures(), figures);
}

#[test]
fn what_no_gateway_fetched_in_time_is_dropped_and_counted() {
    let (_folder, spool) = filled(ROOMY, 20);
    spool
        .sync(SystemTime::now() + Duration::from_secs(7200))
        .unwrap();
    let left = spool.reader().next_batch(&spool, usize::MAX).unwrap();
    assert!(left.len() < 20);
    assert_eq!(spool.figures().dropped + left.len() as u64, 20);
}

#[test]
fn a_crash_between_deleting_and_counting_is_counted_at_the_next_start() {
    let (folder, spool) = filled(ROOMY, 20);
    let first = segment::scan(folder.path()).unwrap()[0];
    drop(spool);
    first.remove(folder.path()).unwrap();
    let spool = open(folder.path(), ROOMY);
    assert_eq!(spool.figures().dropped, first.end - first.first);
    drop(spool);
    assert_eq!(
        open(folder.path(), ROOMY).figures().dropped,
        first.end - first.first
    );
}

#[test]
fn what_the_disk_changed_is_passed_over_and_counted() {
    let (folder, spool) = filled(ROOMY, 20);
    let first = segment::scan(folder.path()).unwrap()[0];
    let mut bytes = std::fs::read(first.path(folder.path())).unwrap();
    bytes[20] ^= 1;
    std::fs::write(first.path(folder.path()), bytes).unwrap();
    let read = all(&spool);
    assert_eq!(sequences(&read), (first.end..=20).collect::<Vec<_>>());
    assert_eq!(spool.figures().dropped, first.end - 1);
}

#[test]
fn an_outcome_of_any_size_is_kept_or_refused_and_counted() {
    let (_folder, spool) = filled(ROOMY, 1);
    assert!(spool.append(&vec![0; 300 * 1024]).is_err());
    assert_eq!(spool.figures().dropped, 1);
    assert_eq!(spool.append(b"small").unwrap(), 2);
}

/// One thing that happens to a spool.
#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Sync,
    /// Acknowledges this share of what was handed out.
    Ack(f64),
    /// The process dies; of what was not durable this share is on the disk, to the byte.
    Crash(f64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_usize..120).prop_map(Step::Append),
        2 => Just(Step::Sync),
        2 => (0.0..=1.0_f64).prop_map(Step::Ack),
        1 => (0.0..=1.0_f64).prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 1..80)
}

/// What a perfect spool would hold: every outcome that it was given, in order.
#[derive(Default)]
struct Model {
    payloads: Vec<Vec<u8>>,
    durable: usize,
    acked: usize,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a small count"
)]
fn share_of(count: u64, share: f64) -> u64 {
    (count as f64 * share) as u64
}

/// Cuts the newest segment to `kept` of its bytes behind the durable ones.
fn tear(dir: &Path, durable_sequence: u64, kept: f64) {
    let last = *segment::scan(dir).unwrap().last().unwrap();
    let content = last.content(dir).unwrap();
    let mut durable_bytes = 0;
    for _ in last.first..=durable_sequence.min(last.end - 1).max(last.first - 1) {
        let length = u32::from_le_bytes(content[durable_bytes..][..4].try_into().unwrap());
        durable_bytes += super::frame::HEADER + length as usize;
    }
    let torn = durable_bytes as u64 + share_of(last.bytes - durable_bytes as u64, kept);
    OpenOptions::new()
        .write(true)
        .open(last.path(dir))
        .unwrap()
        .set_len(torn)
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn nothing_durable_is_lost_and_nothing_comes_back_whatever_crashes_whenever(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path(), ROOMY);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Append(size) => {
                    let payload = vec![u8::try_from(model.payloads.len()).unwrap(); size];
                    model.payloads.push(payload.clone());
                    prop_assert_eq!(spool.append(&payload).unwrap(), model.payloads.len() as u64);
                }
                Step::Sync => {
                    spool.sync(SystemTime::now()).unwrap();
                    model.durable = model.payloads.len();
                }
                Step::Ack(share) => {
                    let handed = (model.durable - model.acked) as u64;
                    model.acked += usize::try_from(share_of(handed, share)).unwrap();
                    spool.ack(model.acked as u64).unwrap();
                }
                Step::Crash(kept) => {
                    drop(spool);
                    tear(folder.path(), model.durable as u64, kept);
                    spool = open(folder.path(), ROOMY);
                    let survived = usize::try_from(spool.log().end()).unwrap() - 1;
                    prop_assert!(survived >= model.durable && survived <= model.payloads.len());
                    model.payloads.truncate(survived);
                    model.durable = survived;
                }
            }
            let read = spool.reader().next_batch(&spool, usize::MAX).unwrap();
            let expected: Vec<_> = (model.acked..model.durable)
                .map(|index| Record { sequence: index as u64 + 1, payload: model.payloads[index].clone() })
                .collect();
            prop_assert_eq!(read, expected);
            prop_assert_eq!(spool.figures().dropped, 0);
        }
    }
}
