//! A request from an agent, from the wire into one that cannot be wrong. One way only.

mod generation;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use inference_api::{
    AppName, Boundary, Caller, Context, Continued, DataType, EmbeddingInput, EmbeddingTask,
    InferTask, InferenceError, InferenceRequest, Limits, ModelSelector, RequestId, Task, Tensor,
};
use tideline_proto::tideline::inference::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;
use tokio::time::Instant;

use crate::backends::{Incoming, Reached};

/// How far a request's content may travel, before anything else of it is read. `None` for what was
/// not said, which every site refuses.
pub(super) fn boundary(message: &wire::ExecuteRequest) -> Option<Boundary> {
    match message.context.as_ref()?.boundary() {
        policy::Boundary::Unspecified => None,
        policy::Boundary::Device => Some(Boundary::Device),
        policy::Boundary::Private => Some(Boundary::Private),
        policy::Boundary::Cloud => Some(Boundary::Cloud),
    }
}

/// Reads a request that reached this site; what has no bound of its own gets this site's.
pub(super) fn execute(
    message: wire::ExecuteRequest,
    reached: &Reached,
    limits: &Limits,
) -> Result<Incoming, InferenceError> {
    let wire::ExecuteRequest {
        context,
        model,
        variant,
        task,
        continued,
    } = message;
    let terms = context.unwrap_or_default();
    let remaining = terms.remaining.map_or(limits.request_timeout, |remaining| {
        // What is below nothing is over.
        Duration::try_from(remaining).unwrap_or_default()
    });
    if remaining.is_zero() {
        return Err(InferenceError::deadline_exceeded());
    }
    let mut context = Context::new(Instant::now() + remaining.min(limits.request_timeout));
    context.caller = Caller {
        app: AppName::new(&terms.app),
        user: None,
    };
    context.boundary = reached.boundary();
    context.wants_whole = terms.whole;
    let model = ModelSelector::parse(&model)
        .ok_or_else(|| InferenceError::invalid("expected a model's name").with_param("model"))?;
    let task = task.ok_or_else(|| InferenceError::invalid("the request holds no task"))?;
    let mut request = InferenceRequest::new(model, decode_task(task, limits)?, context);
    request.continued = continued.map(|continued| {
        Arc::new(Continued {
            text: continued.text,
            tokens: continued.tokens,
        })
    });
    if let Some(id) = RequestId::parse(&terms.request_id) {
        request.id = id;
    }
    Ok(Incoming {
        request,
        variant: Some(variant).filter(|variant| !variant.is_empty()),
    })
}

fn decode_task(task: wire::execute_request::Task, limits: &Limits) -> Result<Task, InferenceError> {
    match task {
        wire::execute_request::Task::Embedding(task) => {
            let count = task.inputs.len();
            if count == 0 || count > limits.max_embedding_inputs {
                let message = format!(
                    "expected 1 to {} texts, got {count}",
                    limits.max_embedding_inputs
                );
                return Err(InferenceError::invalid(message).with_param("input"));
            }
            let inputs = task.inputs.into_iter().map(input).collect::<Option<_>>();
            let inputs = inputs.ok_or_else(|| {
                InferenceError::invalid("an input holds neither text nor tokens")
                    .with_param("input")
            })?;
            Ok(Task::Embedding(EmbeddingTask {
                inputs,
                dimensions: NonZeroU32::new(task.dimensions),
            }))
        }
        wire::execute_request::Task::Infer(wire::TensorInference { inputs, outputs }) => {
            if inputs.len() > limits.max_tensors || outputs.len() > limits.max_tensors {
                return Err(InferenceError::invalid(format!(
                    "expected at most {} tensors",
                    limits.max_tensors
                )));
            }
            let inputs = inputs.into_iter().map(tensor).collect::<Result<_, _>>()?;
            Ok(Task::Infer(InferTask { inputs, outputs }))
        }
        wire::execute_request::Task::Chat(task) => {
            Ok(Task::Chat(Arc::new(generation::chat(task)?)))
        }
        wire::execute_request::Task::Completion(task) => {
            Ok(Task::Completion(Arc::new(generation::completion(task)?)))
        }
    }
}

fn input(input: wire::EmbeddingInput) -> Option<EmbeddingInput> {
    Some(match input.input? {
        wire::embedding_input::Input::Text(text) => EmbeddingInput::Text(text),
        wire::embedding_input::Input::Tokens(tokens) => EmbeddingInput::Tokens(tokens.ids),
    })
}

fn tensor(tensor: wire::Tensor) -> Result<Tensor, InferenceError> {
    let wire::Tensor {
        name,
        datatype,
        shape,
        data,
    } = tensor;
    let datatype = DataType::parse(&datatype)
        .ok_or_else(|| InferenceError::invalid("a tensor is of no known type"))?;
    Tensor::new(name, datatype, shape, data)
        .map_err(|error| InferenceError::invalid(error.to_string()))
}
