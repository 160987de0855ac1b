//! Models that ONNX Runtime runs in this process.

use std::sync::Arc;

use anyhow::Context as _;
use futures::future::BoxFuture;
use inference_api::{InferenceError, InferenceRequest, InferenceStream, TaskKind};
use model_runtime::{
    Library, LibraryConfig, LoadOptions, Model, Package, ProviderName, Runtime, VariantReport,
    Version,
};
use placement::{
    Executor, Measured, ModelTokens, OnnxExecutor, TokenCounter, UsdPerMillionTokens, card, p_error,
};
use tower::ServiceExt as _;

use super::{Backend, Offer, Site};
use crate::config::{Config, ModelConfig, RuntimeConfig};

/// Its name among the kinds of backend.
const KIND: &str = "onnxruntime";

/// One variant of a loaded model, ready to run.
#[derive(Clone, Debug)]
struct Embedded {
    speed: Measured,
    executor: OnnxExecutor,
}

impl Backend for Embedded {
    fn speed(&self) -> Measured {
        self.speed
    }

    fn unavailable(&self) -> Option<String> {
        None
    }

    fn run(
        &self,
        request: InferenceRequest,
    ) -> BoxFuture<'static, Result<InferenceStream, InferenceError>> {
        Box::pin(self.executor.clone().oneshot(request))
    }

    fn executor(&self) -> Executor {
        Executor::Onnx(self.executor.clone())
    }
}

/// Loads every configured model. It blocks while files are read and speeds measured.
pub(super) fn load(config: &Config, site: &Site) -> anyhow::Result<Vec<Offer>> {
    if config.models.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = Runtime::new(
        library(&config.runtime)?,
        model_runtime::RuntimeConfig {
            threads: config.runtime.threads,
            figures: Some(config.state_dir.join("measurements.json")),
        },
    );
    let providers = config
        .runtime
        .providers
        .iter()
        .map(|name| ProviderName::parse(name))
        .collect::<Result<Vec<_>, _>>();
    let providers = providers.context("runtime.providers")?;
    let mut loaded = Vec::new();
    for model in &config.models {
        loaded.extend(load_one(&runtime, model, &providers, site)?);
    }
    Ok(loaded)
}

fn load_one(
    runtime: &Runtime,
    config: &ModelConfig,
    providers: &[ProviderName],
    site: &Site,
) -> anyhow::Result<Vec<Offer>> {
    let about = || format!("the model in {}", config.path.display());
    let package = Package::open(&config.path).with_context(about)?;
    let options = LoadOptions {
        variants: config.variants.clone(),
        providers: providers.to_vec(),
    };
    let model = runtime.load(&package, &options).with_context(about)?;
    let price = config.price();
    let offer = |report| offer(&model, report, price, site);
    Ok(model.variants().filter_map(offer).collect())
}

/// `None` when callers cannot be told of it.
fn offer(
    model: &Model,
    report: &VariantReport,
    price: Option<UsdPerMillionTokens>,
    site: &Site,
) -> Option<Offer> {
    let cards = TaskKind::ALL.into_iter();
    let cards: Vec<_> = cards
        .filter_map(|task| card(model, task).map(Arc::new))
        .collect();
    let counter = model
        .takes_text()
        .then(|| Arc::new(ModelTokens::new(model.clone())) as Arc<dyn TokenCounter>);
    let speed = Measured {
        fixed_seconds: report.speed.fixed_seconds,
        per_token_seconds: report.speed.per_token_seconds,
        per_answer_token_seconds: report.speed.per_answer_token_seconds,
    };
    let executor = OnnxExecutor::new(model.clone(), &report.name)?;
    (!cards.is_empty()).then(|| Offer {
        kind: KIND,
        site: site.clone(),
        variant: report.name.as_str().into(),
        provider: report.serving.onnx_name().into(),
        cards,
        price,
        p_error: p_error(report),
        counter,
        backend: Arc::new(Embedded { speed, executor }),
    })
}

fn library(config: &RuntimeConfig) -> anyhow::Result<Library> {
    let minimum = config
        .minimum_version
        .as_deref()
        .map(str::parse::<Version>)
        .transpose();
    let minimum = minimum.context("runtime.minimumVersion")?;
    let config = LibraryConfig {
        path: config.library.clone(),
        search: Vec::new(),
        minimum,
    };
    Ok(Library::load(&config)?)
}
