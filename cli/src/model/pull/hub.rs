//! What a hub says of a repository: its commit, and its files with their sizes and digests.

use model_runtime::FileName;
use serde::Deserialize;

use super::oid::Oid;
use super::reference::HubModel;
use super::transport::{Fault, Patience, Transport, fault};
use crate::client::Failure;
use crate::print::plain;
use crate::progress::Bar;

/// Largest listing, in bytes.
const MAX_LISTING_BYTES: usize = 16 << 20;
/// Most files in a listing.
const MAX_FILES: usize = 50_000;

/// A repository at one commit.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) licence: Option<String>,
    pub(super) files: Vec<Listed>,
}

/// A file as a hub lists it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) file: FileName,
    bytes: Option<u64>,
    oid: Option<Oid>,
}

/// A file to fetch, with what it must turn out to be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) file: FileName,
    pub(super) bytes: u64,
    pub(super) oid: Oid,
}

impl Listed {
    /// The same, when enough is said of it to check it.
    pub(super) fn wanted(&self, model: &HubModel) -> Result<Wanted, Failure> {
        let (Some(bytes), Some(oid)) = (self.bytes, self.oid) else {
            return Err(Failure::Failed(format!(
                "the hub does not say size and digest of {} in {model}, so it could not be checked",
                self.file
            )));
        };
        let file = self.file.clone();
        Ok(Wanted { file, bytes, oid })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModelInfo {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    card_data: Option<Card>,
}

#[derive(Deserialize)]
struct Card {
    license: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

/// Asks what is in `model`.
pub(super) async fn listing(
    transport: &Transport,
    model: &HubModel,
    bar: &Bar,
) -> Result<Listing, Failure> {
    let mut patience = Patience::default();
    loop {
        match ask(transport, model).await {
            Ok(text) => return read(&text, model),
            Err(fault) => patience.wait(fault, bar).await?,
        }
    }
}

async fn ask(transport: &Transport, model: &HubModel) -> Result<Vec<u8>, Fault> {
    let parts = ["api", "models"].into_iter().chain(model.parts());
    let mut url = transport.url(parts.chain(["revision", model.revision()]));
    url.set_query(Some("blobs=true"));
    let mut response = transport.get(url, 0).await?.response;
    if !response.status().is_success() {
        return Err(transport.refusal(response.status(), &model.to_string()));
    }
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| fault(&error))? {
        if text.len() + piece.len() > MAX_LISTING_BYTES {
            return Err(Fault::Final(Failure::Failed(format!(
                "the hub's listing of {model} has more than {MAX_LISTING_BYTES} bytes"
            ))));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

fn read(text: &[u8], model: &HubModel) -> Result<Listing, Failure> {
    let wrong = |why: String| Failure::Failed(format!("the hub's listing of {model}: {why}"));
    let info: ModelInfo = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    if !matches!(Oid::git(&info.sha), Some(Oid::Git(_))) {
        return Err(wrong("expected a commit of 40 hexadecimal digits".into()));
    }
    if Oid::git(model.revision()).is_some() && model.revision() != info.sha {
        return Err(wrong(format!("it is of another commit, {}", info.sha)));
    }
    if info.siblings.len() > MAX_FILES {
        return Err(wrong(format!(
            "expected at most {MAX_FILES} files, got {}",
            info.siblings.len()
        )));
    }
    let mut files = Vec::new();
    for sibling in info.siblings {
        let name = &sibling.rfilename;
        if name.starts_with('/') || name.split(['/', '\\']).any(|part| part == "..") {
            let shown: String = plain(name).chars().take(80).collect();
            return Err(wrong(format!(
                "`{shown}` is not a plain path inside the model"
            )));
        }
        // A name that no file of a model has cannot be asked for either.
        files.extend(FileName::parse(name).map(|file| listed(file, &sibling)));
    }
    let licence = info.card_data.and_then(|card| card.license);
    Ok(Listing {
        commit: info.sha.to_ascii_lowercase(),
        licence: licence.and_then(|licence| Some(licence.as_str()?.to_owned())),
        files,
    })
}

fn listed(file: FileName, sibling: &Sibling) -> Listed {
    let (bytes, oid) = match &sibling.lfs {
        Some(lfs) => (Some(lfs.size), Oid::parse(&lfs.sha256)),
        None => (sibling.size, sibling.blob_id.as_deref().and_then(Oid::git)),
    };
    Listed { file, bytes, oid }
}
