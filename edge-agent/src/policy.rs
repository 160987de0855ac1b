//! The policy that is configured, and what happens when its files change.
//!
//! Its invariant: what is in force is always a whole policy that was compiled without an error. One
//! that is broken is told loudly and changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use placement::Decider;
use router_policy::{Policy, Source};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// How often files are looked at.
const PERIOD: Duration = Duration::from_secs(2);
/// Most bytes of all files together.
const MAX_BYTES: u64 = 32 << 20;
/// Most files in a folder.
const MAX_FILES: usize = 1000;

/// The policy at `path`: a file, or a folder whose `.yaml` files belong together.
///
/// # Errors
/// What cannot be read, or everything that is wrong with it.
pub(crate) fn load(path: &Path) -> anyhow::Result<Policy> {
    let mut texts = Vec::new();
    let mut bytes = 0;
    for file in files(path)? {
        let about = || format!("cannot read the policy {}", file.display());
        bytes += std::fs::metadata(&file).with_context(about)?.len();
        if bytes > MAX_BYTES {
            bail!(
                "{}: more than {MAX_BYTES} bytes of policies",
                path.display()
            );
        }
        let text = std::fs::read_to_string(&file).with_context(about)?;
        texts.push((file.display().to_string(), text));
    }
    let sources: Vec<Source<'_>> = texts
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect();
    Ok(Policy::load(&sources, None)?)
}

/// Puts the policy at `path` in force whenever its files change, until `stop`.
pub(crate) async fn follow(path: PathBuf, decider: Arc<Decider>, stop: CancellationToken) {
    let mut seen = stamp(&path);
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = stamp(&path);
        if now == seen {
            continue;
        }
        seen = now;
        let read = path.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&read)).await;
        match loaded.map_err(anyhow::Error::from).flatten() {
            Ok(policy) if policy.hash() == decider.policy().hash() => {}
            Ok(policy) => {
                telemetry::policy_replaced(&policy);
                decider.replace(policy);
            }
            Err(error) => telemetry::policy_refused(&error, &decider.policy()),
        }
    }
}

/// What tells a change: which files there are, how long each is, and when it was written.
type Stamp = Vec<(PathBuf, Option<(u64, SystemTime)>)>;

fn stamp(path: &Path) -> Stamp {
    let of = |file: PathBuf| {
        let about = std::fs::metadata(&file).ok();
        let about = about.and_then(|about| Some((about.len(), about.modified().ok()?)));
        (file, about)
    };
    files(path)
        .unwrap_or_default()
        .into_iter()
        .map(of)
        .collect()
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let about = || format!("cannot read the policies in {}", path.display());
    let entries = std::fs::read_dir(path).with_context(about)?;
    let is_yaml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|end| end == "yaml" || end == "yml")
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_yaml)
        .collect();
    files.sort();
    if files.is_empty() || files.len() > MAX_FILES {
        bail!(
            "{}: {} .yaml files, expected 1 to {MAX_FILES}",
            path.display(),
            files.len()
        );
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
