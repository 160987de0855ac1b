//! Who is attached now. One stream for each device; a newer one takes over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Most devices that are attached at a time.
const MOST: usize = 20_000;

/// How an attached device stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    /// The last measured round trip.
    pub(crate) rtt: Option<Duration>,
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
    pub(super) fn attach(&self, device_id: &str) -> Option<Place> {
        let mut attached = self.lock();
        if attached.len() >= MOST && !attached.contains_key(device_id) {
            return None;
        }
        let replaced = CancellationToken::new();
        let entry = Attached {
            replaced: replaced.clone(),
            standing: Standing { rtt: None },
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

    pub(super) fn note(&self, rtt: Duration) {
        if let Some(attached) = self.registry.lock().get_mut(&self.device_id) {
            attached.standing.rtt = Some(rtt);
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
