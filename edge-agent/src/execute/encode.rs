//! A request as it travels to a site, with the terms that travel with it. One way only.

mod generation;

use std::time::Duration;

use inference_api::{EmbeddingInput, InferTask, InferenceRequest, Task, Tensor};
use placement::DecisionId;
use router_policy::Boundary;
use tideline_proto::tideline::inference::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;

/// What every hop must keep to.
#[derive(Debug)]
pub(super) struct Terms<'t> {
    /// How far the content may travel.
    pub(super) boundary: Boundary,
    /// What is left of the caller's deadline.
    pub(super) remaining: Duration,
    /// The model that was decided on.
    pub(super) model: &'t str,
    /// The decision that let it leave.
    pub(super) decision: DecisionId,
    /// The build of it; empty is the site's choice.
    pub(super) variant: &'t str,
}

/// The request, with its content moved into the message.
pub(super) fn execute(request: InferenceRequest, terms: &Terms<'_>) -> wire::ExecuteRequest {
    let app = request
        .context
        .caller
        .app
        .as_ref()
        .map_or("", |app| app.as_str());
    let context = wire::Context {
        request_id: request.id.to_string(),
        decision_id: terms.decision.to_string(),
        boundary: boundary(terms.boundary).into(),
        remaining: terms.remaining.try_into().ok(),
        app: app.to_owned(),
        tokens: 0,
        whole: request.context.wants_whole,
    };
    let continued = request.continued.as_ref().map(|continued| wire::Continued {
        text: continued.text.clone(),
        tokens: continued.tokens.clone(),
    });
    wire::ExecuteRequest {
        continued,
        context: Some(context),
        model: terms.model.to_owned(),
        variant: terms.variant.to_owned(),
        task: Some(task(request.task)),
    }
}

fn task(task: Task) -> wire::execute_request::Task {
    match task {
        Task::Embedding(task) => wire::execute_request::Task::Embedding(wire::Embedding {
            inputs: task.inputs.into_iter().map(input).collect(),
            dimensions: task.dimensions.map_or(0, std::num::NonZeroU32::get),
        }),
        Task::Infer(InferTask { inputs, outputs }) => {
            let inputs = inputs.into_iter().map(tensor).collect();
            wire::execute_request::Task::Infer(wire::TensorInference { inputs, outputs })
        }
        Task::Chat(task) => wire::execute_request::Task::Chat(generation::chat(&task)),
        Task::Completion(task) => {
            wire::execute_request::Task::Completion(generation::completion(&task))
        }
    }
}

fn input(input: EmbeddingInput) -> wire::EmbeddingInput {
    let input = match input {
        EmbeddingInput::Text(text) => wire::embedding_input::Input::Text(text),
        EmbeddingInput::Tokens(ids) => wire::embedding_input::Input::Tokens(wire::TokenIds { ids }),
    };
    wire::EmbeddingInput { input: Some(input) }
}

fn tensor(tensor: Tensor) -> wire::Tensor {
    let (name, datatype, shape, data) = tensor.into_parts();
    wire::Tensor {
        name,
        datatype: datatype.name().to_owned(),
        shape,
        data,
    }
}

fn boundary(boundary: Boundary) -> policy::Boundary {
    match boundary {
        Boundary::Device => policy::Boundary::Device,
        Boundary::Private => policy::Boundary::Private,
        Boundary::Cloud => policy::Boundary::Cloud,
    }
}
