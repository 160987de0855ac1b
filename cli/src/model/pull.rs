//! `tideline model pull`: a model from a hub into the store, file by file, resumed where it was cut
//! off and checked before it is installed.
//!
//! Invariant: nothing is installed that is not what the hub's listing of one commit names.

mod download;
mod hub;
mod oid;
mod reach;
mod reference;
mod transport;

use std::time::{Duration, SystemTime};

use model_runtime::{Change, Choice, FileName, Installed, Origin, Store, select};

pub(crate) use self::reference::HubModel;

use self::download::Downloads;
use self::hub::{Listing, Wanted};
use self::transport::Transport;
use super::failure;
use super::tell::size;
use crate::client::Failure;
use crate::config::PullOptions;
use crate::print::Format;
use crate::progress::Bar;

/// How long a download that was given up is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Pulls the model that `options` name into `store`.
pub(super) async fn pull(
    options: PullOptions,
    store: &Store,
    format: Format,
) -> Result<Installed, Failure> {
    let change = store.change().map_err(failure)?;
    prune(&change);
    let transport = Transport::new(&options).await?;
    let mut bar = Bar::new(format);
    let listing = hub::listing(&transport, &options.model, &bar).await?;
    let wanted = chosen(&listing, &options)?;
    let total = wanted.iter().map(|wanted| wanted.bytes).sum();
    let reference = options.model.at(&listing.commit);
    bar.say(&format!(
        "{reference}: {} files, {}",
        wanted.len(),
        size(total)
    ));

    let mut downloads = Downloads {
        transport: &transport,
        model: &options.model,
        commit: &listing.commit,
        folder: change.partial(),
        bar: &mut bar,
    };
    let mut files = Vec::new();
    for wanted in &wanted {
        files.push(downloads.fetch(wanted).await?);
    }
    let name = options.name.unwrap_or_else(|| options.model.name());
    let mut staging = change.stage(name).map_err(failure)?;
    for (wanted, file) in wanted.iter().zip(&files) {
        let inside = match &options.folder {
            Some(folder) => wanted.file.inside(folder),
            None => None,
        };
        let place = inside.as_ref().unwrap_or(&wanted.file);
        let adopted = staging.adopt(place, &file.path, file.sha256);
        adopted.map_err(failure)?;
    }
    let installed = staging.install(Origin::Hub(reference), listing.licence);
    installed.map_err(failure)
}

/// The files that make the model, with what the hub says of each.
fn chosen(listing: &Listing, options: &PullOptions) -> Result<Vec<Wanted>, Failure> {
    let paths: Vec<FileName> = listing.files.iter().map(|it| it.file.clone()).collect();
    let asked = |path: &&FileName| {
        let inside = options.folder.as_ref().map(|folder| path.inside(folder));
        let shown = inside.unwrap_or_else(|| Some((*path).clone()));
        let fits =
            |glob: &glob::Pattern| shown.as_ref().is_some_and(|it| glob.matches(it.as_str()));
        options.files.iter().any(fits)
    };
    let asked: Vec<FileName> = paths.iter().filter(asked).cloned().collect();
    if asked.is_empty() && !options.files.is_empty() {
        return Err(Failure::Usage(format!(
            "no file of {} fits --file, expected one such as onnx/model*.onnx",
            options.model
        )));
    }
    let choice = Choice {
        folder: options.folder.as_ref(),
        variant: options.variant.as_deref(),
        files: &asked,
    };
    let chosen = select(&paths, &choice)
        .map_err(|error| Failure::Failed(format!("{}: {error}", options.model)))?;
    let find = |file: &FileName| listing.files.iter().find(|it| it.file == *file);
    chosen
        .iter()
        .filter_map(find)
        .map(|listed| listed.wanted(&options.model))
        .collect()
}

/// Takes away downloads that nobody went on with. What cannot be looked at stays.
fn prune(change: &Change) {
    let entries = std::fs::read_dir(change.partial());
    for entry in entries.into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.map(|modified| SystemTime::now().duration_since(modified));
        if matches!(age, Ok(Ok(age)) if age > KEPT) {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}
