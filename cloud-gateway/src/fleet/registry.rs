//! Who is attached now. One stream for each device; a newer one takes over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

/// Most devices that are attached at a time.
pub(crate) const MOST: usize = 4096;

/// How an attached device stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    /// The last measured round trip.
    pub(crate) rtt: Option<Duration>,
    /// When it last said anything.
    pub(crate) seen: SystemTime,
}

/// The attached devices. A clone is another handle to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(Arc<Mutex<BTreeMap<String, Attached>>>);

#[derive(Debug)]
struct Attached {
    /// Cancelled when another stream takes over.
    replaced: CancellationToken,
    standing: Standing,
}

/// A stream's place in the registry; dropping it gives the place up.
#[derive(Debug)]
pub(super) struct Place {
    registry: Registry,
    device_id: String,
    replaced: CancellationToken,
}

impl Registry {
    /// Takes the device's place, whoever holds it; `None` when too many are attached.
    pub(super) fn attach(&self, device_id: &str, now: SystemTime) -> Option<Place> {
        let mut attached = self.lock();
        if attached.len() >= MOST && !attached.contains_key(device_id) {
            return None;
        }
        let replaced = CancellationToken::new();
        let entry = Attached {
            replaced: replaced.clone(),
            standing: Standing {
                rtt: None,
                seen: now,
            },
        };
        if let Some(before) = attached.insert(device_id.to_owned(), entry) {
            before.replaced.cancel();
        }
        crate::telemetry::attached(attached.len());
        Some(Place {
            registry: self.clone(),
            device_id: device_id.to_owned(),
            replaced,
        })
    }

    /// How the device stands; `None` when it is not attached.
    pub(crate) fn standing(&self, device_id: &str) -> Option<Standing> {
        self.lock().get(device_id).map(|attached| attached.standing)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Attached>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn device_id(&self) -> &str {
        &self.device_id
    }

    /// Waits until another stream takes over.
    pub(super) async fn replaced(&self) {
        self.replaced.cancelled().await;
    }

    /// The device is there, and that far away if that was measured.
    pub(super) fn note(&self, rtt: Option<Duration>, now: SystemTime) {
        let mut attached = self.registry.lock();
        // Whoever took over is not told of by this stream.
        if self.replaced.is_cancelled() {
            return;
        }
        if let Some(attached) = attached.get_mut(&self.device_id) {
            attached.standing.rtt = rtt.or(attached.standing.rtt);
            attached.standing.seen = now;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut attached = self.registry.lock();
        // Whoever took over stays.
        if !self.replaced.is_cancelled() {
            attached.remove(&self.device_id);
        }
        crate::telemetry::attached(attached.len());
    }
}
