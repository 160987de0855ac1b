//! One file after the other: gone on with where it was cut off, tried again when it breaks, and
//! checked against what the hub's listing says.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use model_runtime::Digest;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};

use super::hub::Wanted;
use super::reference::HubModel;
use super::transport::{Answer, Fault, Patience, Transport, fault};
use crate::client::Failure;
use crate::progress::Bar;

/// What downloading needs.
pub(super) struct Downloads<'d> {
    pub(super) transport: &'d Transport,
    pub(super) model: &'d HubModel,
    pub(super) commit: &'d str,
    /// Where files wait until they are whole.
    pub(super) folder: PathBuf,
    pub(super) bar: &'d mut Bar,
}

/// A file that is whole and checked.
pub(super) struct Fetched {
    pub(super) path: PathBuf,
    pub(super) sha256: Digest,
}

impl Downloads<'_> {
    /// Fetches what is missing of a file, and checks the whole.
    pub(super) async fn fetch(&mut self, wanted: &Wanted) -> Result<Fetched, Failure> {
        // Two files may have one content, so the path is part of the name; as a digest, too.
        let place = Digest::of(wanted.file.as_str().as_bytes()).to_string();
        let place = place.get(..16).unwrap_or_default();
        let path = self.folder.join(format!("{}-{place}", wanted.oid));
        // What lay there before may be damaged: then it is fetched once more from its beginning.
        let mut is_fresh = size_of(&path)? == 0;
        loop {
            self.complete(wanted, &path).await?;
            let checked = wanted.oid.check(&path);
            let (sha256, is_meant) = checked.map_err(|error| unfit(&path, &error))?;
            if is_meant {
                return Ok(Fetched { path, sha256 });
            }
            std::fs::remove_file(&path).map_err(|error| unfit(&path, &error))?;
            if is_fresh {
                return Err(Failure::Failed(format!(
                    "{} is not the file that the hub lists: its digest is not {}",
                    wanted.file, wanted.oid
                )));
            }
            is_fresh = true;
        }
    }

    /// Fetches until the file has the size that it should have.
    async fn complete(&mut self, wanted: &Wanted, path: &Path) -> Result<(), Failure> {
        let mut patience = Patience::default();
        let mut most = size_of(path)?;
        loop {
            let before = size_of(path)?;
            if before > wanted.bytes {
                emptied(path)?;
            } else if before == wanted.bytes && path.exists() {
                self.bar.show(wanted.file.as_str(), before, wanted.bytes);
                return Ok(());
            }
            let result = self.go_on(wanted, path).await;
            // What is fetched a second time is no progress: a hub must not keep this going for ever.
            let after = size_of(path)?;
            if after > most {
                patience.renew();
                most = after;
            }
            if let Err(fault) = result {
                patience.wait(fault, self.bar).await?;
            }
        }
    }

    /// Asks once for what is missing.
    async fn go_on(&mut self, wanted: &Wanted, path: &Path) -> Result<(), Fault> {
        let had = size_of(path).map_err(Fault::Final)?;
        let parts = self.model.parts().chain(["resolve", self.commit]);
        let url = self
            .transport
            .url(parts.chain(wanted.file.as_str().split('/')));
        let Answer { response, oid } = self.transport.get(url, had).await?;
        let what = format!("{} of {}", wanted.file, self.model);
        if oid.is_some_and(|oid| oid.contradicts(wanted.oid)) {
            return Err(Fault::Final(Failure::Failed(format!(
                "the hub lists {what} with another digest than it sends it with"
            ))));
        }
        let goes_on = match response.status() {
            StatusCode::PARTIAL_CONTENT if had > 0 && begins_at(&response, had) => true,
            StatusCode::OK => false,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                emptied(path).map_err(Fault::Final)?;
                let why = format!("the hub does not go on with {what} where it ended");
                return Err(Fault::Passing(why));
            }
            status => return Err(self.transport.refusal(status, &what)),
        };
        if goes_on {
            self.bar
                .say(&format!("{}: going on at byte {had}", wanted.file));
        } else {
            emptied(path).map_err(Fault::Final)?;
        }
        let had = if goes_on { had } else { 0 };
        let announced = response
            .content_length()
            .map(|rest| had.saturating_add(rest));
        if let Some(announced) = announced.filter(|bytes| *bytes != wanted.bytes) {
            return Err(Fault::Final(Failure::Failed(format!(
                "the hub lists {what} with {} bytes, and announces {announced}",
                wanted.bytes
            ))));
        }
        self.receive(response, wanted, path, had).await
    }

    /// Appends what comes, as long as it is no more than was told.
    async fn receive(
        &mut self,
        mut response: Response,
        wanted: &Wanted,
        path: &Path,
        had: u64,
    ) -> Result<(), Fault> {
        let full = |error| Fault::Final(unfit(path, &error));
        let opened = OpenOptions::new().append(true).open(path);
        let mut file = opened.map_err(full)?;
        let mut done = had;
        while let Some(piece) = response.chunk().await.map_err(|error| fault(&error))? {
            done += piece.len() as u64;
            if done > wanted.bytes {
                return Err(Fault::Final(Failure::Failed(format!(
                    "the hub sends more of {} than the {} bytes that it lists",
                    wanted.file, wanted.bytes
                ))));
            }
            file.write_all(&piece)
                .map_err(|error| Fault::Final(unfit(path, &error)))?;
            self.bar.show(wanted.file.as_str(), done, wanted.bytes);
        }
        if done < wanted.bytes {
            let why = format!("{} ended after {done} bytes", wanted.file);
            return Err(Fault::Passing(why));
        }
        Ok(())
    }
}

/// Whether an answer begins at that byte of the file.
fn begins_at(response: &Response, byte: u64) -> bool {
    let header = response.headers().get(CONTENT_RANGE);
    let range = header.and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {byte}-")))
}

fn size_of(path: &Path) -> Result<u64, Failure> {
    match path.metadata() {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(unfit(path, &error)),
    }
}

/// Begins the file from nothing.
fn emptied(path: &Path) -> Result<(), Failure> {
    let made = File::create(path);
    made.map(drop).map_err(|error| unfit(path, &error))
}

fn unfit(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("could not write {}: {error}", path.display()))
}
