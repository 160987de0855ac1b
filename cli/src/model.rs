//! `tideline model`: the models of this laptop, in the store that its agent reads. No gateway is
//! asked.

mod pull;
mod tell;

use model_runtime::{Progress, StoreError, import};
use serde_json::Value;

pub(crate) use self::pull::HubModel;

use crate::client::Failure;
use crate::config::{ModelOptions, ModelVerb};
use crate::print::{Format, structured, table};
use crate::progress::Bar;

pub(crate) async fn run(options: ModelOptions, format: Format) -> Result<(), Failure> {
    let store = options.store()?;
    match options.verb {
        ModelVerb::Import { folder, name } => {
            let change = store.change().map_err(failure)?;
            let mut bar = Bar::new(format);
            let mut show = |progress: Progress<'_>| {
                let Progress {
                    file,
                    done_bytes,
                    total_bytes,
                } = progress;
                bar.show(file.as_str(), done_bytes, total_bytes);
            };
            let installed = import(&change, &folder, name, &mut show).map_err(failure)?;
            drop(bar);
            tell::installed(&installed, format)
        }
        ModelVerb::Pull(options) => {
            let installed = pull::pull(options, &store, format).await?;
            tell::installed(&installed, format)
        }
        ModelVerb::List => {
            let mut models = Vec::new();
            for name in store.names().map_err(failure)? {
                match store.find(&name) {
                    Ok(installed) => models.push(tell::short(&installed)),
                    Err(error) => eprintln!("tideline: {name} is not usable: {error}"),
                }
            }
            if !structured(&Value::from(models.clone()), format)? {
                let rows: Vec<_> = models.iter().map(tell::row).collect();
                table(&tell::HEADS, &rows);
            }
            Ok(())
        }
        ModelVerb::Show { name, check } => {
            let installed = store.find(&name).map_err(failure)?;
            if check {
                installed.verify().map_err(|error| failure(error.into()))?;
            }
            tell::whole(&installed, format)
        }
        ModelVerb::Rm { name } => {
            let change = store.change().map_err(failure)?;
            change.remove(&name).map_err(failure)?;
            println!("removed {name}");
            Ok(())
        }
    }
}

/// What scripts can tell apart.
pub(crate) fn failure(error: StoreError) -> Failure {
    let message = error.to_string();
    match error {
        StoreError::NotInstalled { .. } => Failure::NotFound(message),
        StoreError::Name(_) => Failure::Usage(message),
        StoreError::Package(_)
        | StoreError::Io { .. }
        | StoreError::Busy { .. }
        | StoreError::TooMuch { .. } => Failure::Failed(message),
    }
}
