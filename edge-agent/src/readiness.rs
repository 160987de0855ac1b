//! Ready when every latch is dropped: whoever must be waited for holds one.

use std::collections::BTreeMap;

use tokio::sync::watch;

/// What the agent still waits for.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(watch::Sender<BTreeMap<&'static str, usize>>);

/// Holds the agent unready until it is dropped.
#[derive(Debug)]
#[must_use = "an agent whose latches are dropped is ready"]
pub(crate) struct Latch {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }

    /// One more thing to wait for.
    pub(crate) fn latch(&self, name: &'static str) -> Latch {
        self.0
            .send_modify(|held| *held.entry(name).or_default() += 1);
        Latch {
            name,
            readiness: self.clone(),
        }
    }

    /// What is still waited for; nothing when ready.
    pub(crate) fn waits_for(&self) -> Vec<&'static str> {
        self.0.borrow().keys().copied().collect()
    }

    /// Whether nothing is waited for.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Waits until nothing is waited for.
    pub(crate) async fn ready(&self) {
        // This handle is a sender, so that the channel cannot be closed.
        self.0.subscribe().wait_for(BTreeMap::is_empty).await.ok();
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        let name = self.name;
        self.readiness
            .0
            .send_modify(|held| match held.get_mut(name) {
                Some(1) | None => drop(held.remove(name)),
                Some(more) => *more -= 1,
            });
    }
}

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[tokio::test]
    async fn an_agent_is_ready_when_every_latch_is_dropped() {
        let readiness = Readiness::new();
        let (policy, models, more) = (
            readiness.latch("policy"),
            readiness.latch("models"),
            readiness.latch("models"),
        );
        drop(models);
        assert_eq!(readiness.waits_for(), ["models", "policy"]);
        drop((policy, more));
        readiness.ready().await;
        assert!(readiness.is_ready());
    }
}
