//! The models that some route serves, as the protocols list them.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use inference_api::{
    Catalog, EmbeddingShape, ModelCard, ModelName, ServerInfo, TaskKind, TensorSpec,
};
use model_runtime::{Model, Task, TensorInfo};

use crate::execute::datatype_into_api;
use crate::table::RouteTable;

/// A catalogue of the models that a router's routes serve.
pub struct RouteCatalog {
    server: ServerInfo,
    routes: Arc<RouteTable>,
    is_ready: Box<dyn Fn() -> bool + Send + Sync>,
}

impl RouteCatalog {
    /// The models of `routes`, behind the program `server`, which knows whether it is ready.
    #[must_use]
    pub fn new(
        server: ServerInfo,
        routes: Arc<RouteTable>,
        is_ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let is_ready = Box::new(is_ready);
        Self {
            server,
            routes,
            is_ready,
        }
    }
}

impl Catalog for RouteCatalog {
    fn server(&self) -> ServerInfo {
        self.server
    }

    fn ready(&self) -> bool {
        (self.is_ready)()
    }

    fn models(&self) -> Vec<Arc<ModelCard>> {
        self.routes.cards()
    }

    fn model(&self, name: &str) -> Option<Arc<ModelCard>> {
        self.routes
            .cards()
            .into_iter()
            .find(|card| card.name.as_str() == name)
    }
}

impl fmt::Debug for RouteCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteCatalog")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

/// The card of a model that is loaded here, for one of the tasks that it does; `None` when it does
/// not do it, or its name cannot be told to callers.
#[must_use]
pub fn card(model: &Model, task: TaskKind) -> Option<ModelCard> {
    let does = match (model.task(), task) {
        // Text models take raw tensors too: that is how other servers offer them.
        (Task::Embedding, TaskKind::Embedding | TaskKind::Infer)
        | (Task::Infer, TaskKind::Infer) => true,
        (Task::Generation, TaskKind::Chat) => model.generation().is_some_and(|info| info.chats),
        (Task::Generation, TaskKind::Completion) => true,
        (Task::Infer, TaskKind::Embedding)
        | (Task::Embedding | Task::Infer, TaskKind::Chat | TaskKind::Completion)
        | (Task::Generation, TaskKind::Embedding | TaskKind::Infer) => false,
    };
    if !does {
        return None;
    }
    let spec = |info: &TensorInfo| TensorSpec {
        name: info.name.clone(),
        datatype: datatype_into_api(info.datatype),
        shape: info.shape.clone(),
    };
    let signature = model.signature();
    let dimensions = model
        .embedding()
        .and_then(|info| NonZeroU32::new(u32::try_from(info.dimensions).ok()?));
    Some(ModelCard {
        versions: vec!["1".into()],
        platform: "onnxruntime_onnx".into(),
        owner: "tideline".into(),
        inputs: signature.inputs.iter().map(spec).collect(),
        outputs: signature.outputs.iter().map(spec).collect(),
        embedding: dimensions.map(|dimensions| EmbeddingShape {
            dimensions,
            can_be_shortened: false,
        }),
        ..ModelCard::new(ModelName::new(model.name())?, task)
    })
}
