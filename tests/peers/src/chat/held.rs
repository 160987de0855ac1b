//! Answers that have begun and do not end.

use std::io::Read;

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt;

use super::{Target, answers};

/// Begins so many answers, says so with a line, and holds them until standard input ends.
///
/// # Errors
///
/// When one does not begin.
pub(crate) async fn hold(target: &Target, streams: u16) -> Result<()> {
    let mut held = Vec::new();
    for _ in 0..streams {
        let mut caller = target.connect().await.context("could not connect")?;
        let answer = caller.ask().await?;
        let (status, mut body) = (answer.status(), answer.into_body());
        let mut told = Vec::new();
        while !answers::has_begun(&told) {
            let frame = body.frame().await;
            let Some(frame) = frame.transpose().context("the answer broke off")? else {
                bail!("{status}: {}", String::from_utf8_lossy(&told));
            };
            told.extend(frame.into_data().unwrap_or_default());
        }
        held.push((caller, body));
    }
    println!("{streams}");
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await?.context("could not wait")?;
    drop(held);
    Ok(())
}
