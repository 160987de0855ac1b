//! Models on this laptop, as routes: one for each task and variant, with the figures that were
//! measured here.

use std::sync::Arc;

use inference_api::{ModelCard, TaskKind};
use model_runtime::{Model, VariantReport};
use placement::{
    Availability, Executor, Measured, ModelTokens, OnnxExecutor, Route, TokenCounter,
    UsdPerMillionTokens, card, p_error,
};
use router_policy::{Boundary, PlacementKind, Site};

use crate::config::Watts;

/// The routes of one loaded model, for every task that it does; none when its name cannot be told
/// to callers.
pub(crate) fn routes(model: &Model, watts: Watts) -> Vec<Route> {
    let counter = model
        .takes_text()
        .then(|| Arc::new(ModelTokens::new(model.clone())) as Arc<dyn TokenCounter>);
    let mut routes = Vec::new();
    for card in TaskKind::ALL
        .into_iter()
        .filter_map(|task| card(model, task))
    {
        let card = Arc::new(card);
        let variants = model.variants();
        routes.extend(
            variants.filter_map(|variant| route(model, variant, &card, watts, counter.clone())),
        );
    }
    routes
}

fn route(
    model: &Model,
    variant: &VariantReport,
    card: &Arc<ModelCard>,
    watts: Watts,
    counter: Option<Arc<dyn TokenCounter>>,
) -> Option<Route> {
    Some(Route {
        kind: PlacementKind::Device,
        site: Site {
            name: "device".into(),
            boundary: Boundary::Device,
        },
        card: card.clone(),
        variant: variant.name.as_str().into(),
        provider: variant.serving.onnx_name().into(),
        measured: Measured {
            fixed_seconds: variant.speed.fixed_seconds,
            per_token_seconds: variant.speed.per_token_seconds,
            per_answer_token_seconds: variant.speed.per_answer_token_seconds,
        },
        price: Some(UsdPerMillionTokens::flat(0.0)),
        watts: watts.get(),
        p_error: p_error(variant),
        availability: Availability::Ready,
        counter,
        executor: Executor::Onnx(OnnxExecutor::new(model.clone(), &variant.name)?),
    })
}
