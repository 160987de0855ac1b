//! Finds ONNX Runtime, loads the configured models and those of the store, and offers them to the
//! router and the gateway.
//!
//! A model that does not load is said loudly and left out; the others serve. Its invariant: what is
//! told of a provider is what serves, and why.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use model_runtime::{
    Library, LibraryConfig, LoadOptions, Model, Package, Power, ProviderName, Runtime, Store, Task,
    VariantReport,
};
use placement::RouteTable;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::installed::{PERIOD, Shelf, Step};
use crate::config::{Config, ModelConfig, ModelStore, Watts};
use crate::execute::local_routes;
use crate::inventory::{
    HardwareDevice, InstalledModel, InstalledVariant, Inventory, MeasuredSpeed, ModelTask,
    NodeShare, RuntimeLibrary, Sha256Digest,
};
use crate::readiness::Latch;
use crate::telemetry;

/// The device's own routes; sorts before the gateway's.
const DEVICE_ROUTES: &str = "device";

/// Where measurements and golden outputs are kept, in the state directory.
pub(crate) const FIGURES_FILE: &str = "figures.json";

/// The models that are loaded, shared by those who must reach them all.
#[derive(Clone, Debug, Default)]
pub(super) struct Models(Arc<Mutex<Vec<Model>>>);

impl Models {
    /// Saves power from now on, or no longer.
    pub(super) fn set_power(&self, power: Power) {
        self.with(|models| models.iter().for_each(|model| model.set_power(power)));
    }

    /// Adds a model, in the place of one with its name.
    fn add(&self, model: Model) -> Vec<Model> {
        self.with(|models| {
            models.retain(|other| other.name() != model.name());
            models.push(model);
            models.clone()
        })
    }

    fn remove(&self, name: &str) -> Vec<Model> {
        self.with(|models| {
            models.retain(|other| other.name() != name);
            models.clone()
        })
    }

    fn with<R>(&self, act: impl FnOnce(&mut Vec<Model>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What loading needs.
#[derive(Debug)]
pub(super) struct Loading {
    pub(super) runtime: Runtime,
    pub(super) configured: Vec<ModelConfig>,
    /// The store, when there is to be one.
    pub(super) store: Option<Store>,
    pub(super) providers: Vec<ProviderName>,
    pub(super) watts: Watts,
    pub(super) models: Models,
    pub(super) routes: Arc<RouteTable>,
    pub(super) inventory: watch::Sender<Inventory>,
}

impl Loading {
    /// Loads one model after the other; the agent is ready when `loaded` is dropped. Then follows the
    /// store until `stop`.
    pub(super) async fn run(mut self, loaded: Latch, stop: CancellationToken) {
        let mut names = BTreeSet::new();
        for configured in &self.configured {
            match self.load(configured).await {
                Ok(model) => {
                    names.insert(model.name().to_owned());
                    self.offer(model);
                }
                Err(error) => telemetry::model_failed(&configured.path, &error),
            }
        }
        let Some(shelf) = self.store.take().map(Shelf::new) else {
            return;
        };
        let mut shelf = self.follow(shelf, &names).await;
        drop(loaded);
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(current) = shelf {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => shelf = self.follow(current, &names).await,
            }
        }
    }

    /// Looks at the store once, and does what changed. `None` when looking panicked.
    async fn follow(&self, mut shelf: Shelf, configured: &BTreeSet<String>) -> Option<Shelf> {
        let names = configured.clone();
        let looked = spawn_blocking(move || (shelf.look(&names), shelf)).await;
        let (steps, shelf) = looked.ok()?;
        let steps = steps.unwrap_or_else(|error| {
            telemetry::store_unreadable(&error);
            Vec::new()
        });
        for step in steps {
            match step {
                Step::Load { name, path } => {
                    let variants = Vec::new();
                    let wanted = ModelConfig { path, variants };
                    match self.load(&wanted).await {
                        Ok(model) => self.offer(model),
                        Err(error) => {
                            self.withdraw(name.as_str());
                            telemetry::model_failed(&wanted.path, &error);
                        }
                    }
                }
                Step::Refuse { path, why } => {
                    telemetry::model_failed(&path, &anyhow::Error::msg(why));
                }
                Step::Hide(name) => telemetry::model_hidden(name.as_str()),
                Step::Drop(name) => self.withdraw(name.as_str()),
            }
        }
        Some(shelf)
    }

    async fn load(&self, configured: &ModelConfig) -> anyhow::Result<Model> {
        let runtime = self.runtime.clone();
        let path = configured.path.clone();
        let options = LoadOptions {
            variants: configured.variants.clone(),
            providers: self.providers.clone(),
        };
        spawn_blocking(move || load(&runtime, &path, &options)).await?
    }

    fn offer(&self, model: Model) {
        let report = installed(&model);
        self.inventory.send_modify(|inventory| {
            inventory.models.retain(|other| other.name != report.name);
            inventory.models.push(report);
        });
        self.route(&self.models.add(model));
    }

    /// Answers that are under way end as they began; new ones do not find it.
    fn withdraw(&self, name: &str) {
        self.inventory.send_if_modified(|inventory| {
            let before = inventory.models.len();
            inventory.models.retain(|other| other.name != name);
            inventory.models.len() != before
        });
        self.route(&self.models.remove(name));
    }

    fn route(&self, models: &[Model]) {
        let routes = models
            .iter()
            .flat_map(|model| local_routes(model, self.watts))
            .collect();
        self.routes.replace(DEVICE_ROUTES, routes);
    }
}

/// The store of installed models, unless there is to be none.
pub(crate) fn store(config: &Config) -> Option<Store> {
    match config.model_store.as_ref()? {
        ModelStore::None => None,
        ModelStore::At(path) => Some(Store::at(path)),
    }
}

/// Opens and loads one package. It blocks.
pub(crate) fn load(runtime: &Runtime, path: &Path, options: &LoadOptions) -> anyhow::Result<Model> {
    let package = Package::open(path)?;
    Ok(runtime.load(&package, options)?)
}

/// The ONNX Runtime library, which an agent with models cannot do without.
///
/// # Errors
/// When it is nowhere, too old or unusable, and a model or the library itself is configured.
pub(super) async fn library(config: &Config) -> anyhow::Result<Option<Library>> {
    let wanted = library_config(config)?;
    let needed = !config.models.is_empty() || config.runtime.library.is_some();
    match spawn_blocking(move || Library::load(&wanted)).await? {
        Ok(library) => Ok(Some(library)),
        Err(error) if needed => Err(error.into()),
        Err(error) => {
            telemetry::no_library(&error);
            Ok(None)
        }
    }
}

/// The library as it is configured.
pub(crate) fn library_config(config: &Config) -> anyhow::Result<LibraryConfig> {
    let minimum = config
        .runtime
        .minimum_version
        .as_deref()
        .map(str::parse)
        .transpose();
    Ok(LibraryConfig {
        path: config.runtime.library.clone(),
        search: Vec::new(),
        minimum: minimum.context("runtime.minimumVersion")?,
    })
}

/// The execution providers as they are configured.
pub(crate) fn providers(config: &Config) -> anyhow::Result<Vec<ProviderName>> {
    let parse = |name: &String| ProviderName::parse(name);
    config
        .runtime
        .providers
        .iter()
        .map(parse)
        .collect::<Result<_, _>>()
        .context("runtime.providers")
}

/// The devices that ONNX Runtime lists.
pub(crate) fn devices(library: &Library) -> Vec<HardwareDevice> {
    let device = |device: model_runtime::Device| HardwareDevice {
        kind: device.kind.name().to_owned(),
        vendor: device.vendor,
        name: format!("{:#06x}", device.id),
        provider: device.provider,
    };
    library.devices().into_iter().map(device).collect()
}

/// The library as the gateway is told of it.
pub(crate) fn runtime_library(library: &Library) -> RuntimeLibrary {
    let mut providers: Vec<String> = library
        .devices()
        .into_iter()
        .map(|device| device.provider)
        .collect();
    providers.sort();
    providers.dedup();
    RuntimeLibrary {
        version: library.version().to_string(),
        path: library.path().to_owned(),
        providers,
    }
}

/// A loaded model as the gateway is told of it.
pub(crate) fn installed(model: &Model) -> InstalledModel {
    InstalledModel {
        name: model.name().to_owned(),
        task: match model.task() {
            Task::Embedding => ModelTask::Embedding,
            Task::Infer => ModelTask::Infer,
            Task::Generation => ModelTask::Chat,
        },
        variants: model.variants().map(variant).collect(),
    }
}

fn variant(report: &VariantReport) -> InstalledVariant {
    let wanted: Vec<_> = report
        .wanted
        .iter()
        .map(|provider| provider.as_str())
        .collect();
    let measured = report.attempts.iter().filter_map(|attempt| {
        let speed = attempt.outcome.as_ref().ok()?.speed;
        Some(MeasuredSpeed {
            provider: attempt.provider.as_str().to_owned(),
            fixed_seconds: speed.fixed_seconds,
            per_token_seconds: speed.per_token_seconds,
        })
    });
    let share = |share: &model_runtime::NodeShare| NodeShare {
        provider: share.provider.clone(),
        share: share.share,
    };
    InstalledVariant {
        name: report.name.clone(),
        precision: format!("{:?}", report.precision).to_lowercase(),
        sha256: Sha256Digest(*report.sha256.as_bytes()),
        bytes: report.bytes,
        provider_wanted: wanted.join(","),
        provider_serving: report.serving.as_str().to_owned(),
        provider_reason: report.why.clone(),
        node_shares: report.node_shares.iter().map(share).collect(),
        speeds: measured.collect(),
    }
}
