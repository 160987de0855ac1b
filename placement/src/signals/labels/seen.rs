//! What long texts were found to hold, so that the next turn of a conversation costs no more to label
//! than what is new in it.
//!
//! Texts are known by their SHA-256 alone, in memory alone, and the oldest are forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex, PoisonError};

use router_policy::Label;
use sha2::{Digest as _, Sha256};

/// Shorter texts, in bytes, are looked at sooner than looked up.
const SHORT: usize = 512;
/// Most texts that are remembered.
const MOST: usize = 8192;

type Key = [u8; 32];

#[derive(Default)]
struct Seen {
    labels: HashMap<Key, Box<[Label]>>,
    /// From the oldest to the newest.
    order: VecDeque<Key>,
}

static SEEN: LazyLock<Mutex<Seen>> = LazyLock::new(Mutex::default);

/// The labels of `text`: those found before, or else what `scan` finds.
pub(super) fn labels<E>(
    text: &str,
    scan: impl FnOnce() -> Result<Vec<Label>, E>,
) -> Result<Vec<Label>, E> {
    if text.len() < SHORT {
        return scan();
    }
    let key: Key = Sha256::digest(text).into();
    let lock = || SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = lock().labels.get(&key) {
        return Ok(known.to_vec());
    }
    let found = scan()?;
    let mut seen = lock();
    if seen.labels.insert(key, found.clone().into()).is_none() {
        seen.order.push_back(key);
    }
    if seen.order.len() > MOST
        && let Some(oldest) = seen.order.pop_front()
    {
        seen.labels.remove(&oldest);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Label, MOST, SEEN, labels};

    #[test]
    fn a_long_text_is_looked_at_once() {
        let text = format!("{}jo@example.com", "tide ".repeat(200));
        let found = labels(&text, || Ok::<_, ()>(vec![Label::new("pii.email")])).unwrap();
        let again = labels(&text, || Err(())).unwrap();
        assert_eq!(found, again);
        // One letter more is another text.
        assert!(labels(&format!("{text}!"), || Err(())).is_err());
        assert!(labels("short", || Err(())).is_err());
    }

    #[test]
    fn only_so_many_are_remembered() {
        for number in 0..MOST + 10 {
            let text = format!("{number} {}", "x".repeat(600));
            labels(&text, || Ok::<_, ()>(Vec::new())).unwrap();
        }
        let seen = SEEN.lock().unwrap();
        assert!(seen.order.len() <= MOST && seen.labels.len() == seen.order.len());
    }
}
