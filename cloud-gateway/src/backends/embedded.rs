//! Models that ONNX Runtime runs in this process.

use std::sync::Arc;

use anyhow::Context as _;
use inference_api::{InferenceError, InferenceRequest, InferenceStream, TaskKind};
use model_runtime::{
    Library, LibraryConfig, LoadOptions, Model, Package, ProviderName, Runtime, Speed,
    VariantReport, Version,
};
use placement::{
    Availability, Executor, Measured, ModelTokens, OnnxExecutor, Route, TokenCounter,
    UsdPerMillionTokens, boundary_to_policy, card, p_error,
};
use router_policy::{PlacementKind, Probability};
use tower::ServiceExt as _;

use super::Site;
use crate::config::{Config, ModelConfig, RuntimeConfig};

/// One variant of a loaded model, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    model: Model,
    report: VariantReport,
    usd_per_million_tokens: Option<f64>,
    executor: OnnxExecutor,
}

impl Embedded {
    /// Its name among the kinds of backend.
    pub(crate) const KIND: &'static str = "onnxruntime";

    pub(crate) fn model(&self) -> &str {
        self.model.name()
    }

    pub(crate) fn variant(&self) -> &str {
        &self.report.name
    }

    /// As ONNX Runtime names it.
    pub(crate) fn provider(&self) -> &'static str {
        self.report.serving.onnx_name()
    }

    pub(crate) fn speed(&self) -> Speed {
        self.report.speed
    }

    pub(crate) const fn usd_per_million_tokens(&self) -> Option<f64> {
        self.usd_per_million_tokens
    }

    /// How often its answer is wrong.
    pub(crate) fn p_error(&self) -> Probability {
        p_error(&self.report)
    }

    /// The tasks that it does.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskKind> {
        TaskKind::ALL.into_iter().filter(|task| self.does(*task))
    }

    pub(crate) fn does(&self, task: TaskKind) -> bool {
        card(&self.model, task).is_some()
    }

    pub(crate) async fn run(
        &self,
        request: InferenceRequest,
    ) -> Result<InferenceStream, InferenceError> {
        self.executor.clone().oneshot(request).await
    }

    /// As routes, one for each task.
    pub(super) fn routes(&self, site: &Site) -> Vec<Route> {
        let counter = self
            .model
            .takes_text()
            .then(|| Arc::new(ModelTokens::new(self.model.clone())) as Arc<dyn TokenCounter>);
        let route = |task| {
            Some(Route {
                kind: PlacementKind::Cloud,
                site: router_policy::Site {
                    name: site.name.as_str().into(),
                    boundary: boundary_to_policy(site.boundary),
                },
                card: Arc::new(card(&self.model, task)?),
                variant: self.variant().into(),
                provider: self.provider().into(),
                measured: Measured {
                    fixed_seconds: self.report.speed.fixed_seconds,
                    per_token_seconds: self.report.speed.per_token_seconds,
                    per_answer_token_seconds: self.report.speed.per_answer_token_seconds,
                },
                price: self.usd_per_million_tokens.map(UsdPerMillionTokens),
                // A thin client's own machine does nothing meanwhile.
                watts: 0.0,
                p_error: self.p_error(),
                availability: Availability::Ready,
                counter: counter.clone(),
                executor: Executor::Onnx(self.executor.clone()),
            })
        };
        self.tasks().filter_map(route).collect()
    }
}

/// Loads every configured model. It blocks while files are read and speeds measured.
pub(crate) fn load(config: &Config) -> anyhow::Result<Vec<Embedded>> {
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
        loaded.extend(load_one(&runtime, model, &providers)?);
    }
    Ok(loaded)
}

fn load_one(
    runtime: &Runtime,
    config: &ModelConfig,
    providers: &[ProviderName],
) -> anyhow::Result<Vec<Embedded>> {
    let about = || format!("the model in {}", config.path.display());
    let package = Package::open(&config.path).with_context(about)?;
    let options = LoadOptions {
        variants: config.variants.clone(),
        providers: providers.to_vec(),
    };
    let model = runtime.load(&package, &options).with_context(about)?;
    let embedded = |report: &VariantReport| {
        let executor = OnnxExecutor::new(model.clone(), &report.name)?;
        let usd_per_million_tokens = config.usd_per_million_tokens;
        Some(Embedded {
            model: model.clone(),
            report: report.clone(),
            usd_per_million_tokens,
            executor,
        })
    };
    Ok(model.variants().filter_map(embedded).collect())
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
