//! A request on a model that ONNX Runtime runs in this process.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use inference_api as api;
use inference_api::{
    EmbeddingInput, EmbeddingTask, ErrorKind, InferTask, InferenceError, InferenceRequest,
    InferenceStream, ModelName, Output, Placement, Served, Task, Usage,
};
use model_runtime as runtime;
use model_runtime::{Model, RunError, TextError, TokenizedText};
use tower::Service;

use super::generate;
use crate::signals::Prepared;

/// Runs requests on one variant of a loaded model.
#[derive(Clone, Debug)]
pub struct OnnxExecutor {
    model: Model,
    variant: Arc<str>,
    served: Arc<Served>,
}

impl OnnxExecutor {
    /// An executor of the variant of that name; `None` when the model has no such variant, or a name
    /// that cannot be told to callers.
    #[must_use]
    pub fn new(model: Model, variant: &str) -> Option<Self> {
        let report = model.variants().find(|report| report.name == variant)?;
        let mut served = Served::new(Placement::Device, ModelName::new(model.name())?);
        served.variant = Some(variant.to_owned());
        served.provider = Some(report.serving.onnx_name().to_owned());
        let (variant, served) = (variant.into(), Arc::new(served));
        Some(Self {
            model,
            variant,
            served,
        })
    }

    /// Runs `request`, with its texts as `prepared` has them where they are this model's tokens.
    pub(crate) async fn run(
        &self,
        request: InferenceRequest,
        prepared: Option<&Prepared>,
    ) -> Result<InferenceStream, InferenceError> {
        let deadline = request.context.deadline.into_std();
        let (output, usage) = match request.task {
            Task::Embedding(task) => {
                let ready = prepared.and_then(|prepared| prepared.texts_for(self.model.name()));
                let texts = match ready {
                    Some(texts) => texts,
                    None => self.tokenise(&task)?,
                };
                let embedded = self
                    .model
                    .embed(&self.variant, texts, deadline)
                    .await
                    .map_err(told)?;
                let usage = Usage {
                    prompt_tokens: embedded.tokens,
                    ..Usage::default()
                };
                (
                    Output::Embeddings(shortened(embedded.vectors, &task)),
                    usage,
                )
            }
            Task::Chat(_) | Task::Completion(_) => {
                let ready = prepared.and_then(|prepared| prepared.texts_for(self.model.name()));
                let prompt = match ready.and_then(|mut texts| texts.pop()) {
                    Some(prompt) => prompt,
                    None => generate::prompt(&self.model, &request.task)?,
                };
                let asked = generate::Asked {
                    task: &request.task,
                    prompt,
                    continued: request.continued.as_deref(),
                    deadline,
                };
                let events = asked.begin(&self.model, &self.variant).await?;
                return Ok(InferenceStream::flowing(self.served.clone(), events));
            }
            Task::Infer(InferTask { inputs, outputs }) => {
                let inputs = inputs
                    .into_iter()
                    .map(into_runtime)
                    .collect::<Result<_, _>>()?;
                let outputs = self
                    .model
                    .infer(&self.variant, inputs, outputs, deadline)
                    .await
                    .map_err(told)?;
                let outputs = outputs
                    .into_iter()
                    .map(into_api)
                    .collect::<Result<_, _>>()?;
                (Output::Tensors(outputs), Usage::default())
            }
        };
        Ok(InferenceStream::once(self.served.clone(), output, usage))
    }

    fn tokenise(&self, task: &EmbeddingTask) -> Result<Vec<TokenizedText>, InferenceError> {
        let one = |input: &EmbeddingInput| match input {
            EmbeddingInput::Text(text) => self.model.tokenise(text),
            EmbeddingInput::Tokens(ids) => self.model.accept_tokens(ids),
        };
        let refused =
            |error: TextError| InferenceError::invalid(error.to_string()).with_param("input");
        task.inputs
            .iter()
            .map(|input| one(input).map_err(refused))
            .collect()
    }
}

impl Service<InferenceRequest> for OnnxExecutor {
    type Response = InferenceStream;
    type Error = InferenceError;
    type Future = BoxFuture<'static, Result<InferenceStream, InferenceError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), InferenceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: InferenceRequest) -> Self::Future {
        let executor = self.clone();
        Box::pin(async move { executor.run(request, None).await })
    }
}

/// The start of each vector, brought to unit length again, where fewer dimensions were asked for.
fn shortened(mut vectors: Vec<Vec<f32>>, task: &EmbeddingTask) -> Vec<Vec<f32>> {
    let Some(dimensions) = task
        .dimensions
        .and_then(|count| usize::try_from(count.get()).ok())
    else {
        return vectors;
    };
    for vector in &mut vectors {
        vector.truncate(dimensions);
        let length = vector
            .iter()
            .map(|value| value * value)
            .sum::<f32>()
            .sqrt()
            .max(1e-12);
        vector.iter_mut().for_each(|value| *value /= length);
    }
    vectors
}

/// What a failed run means to a caller.
pub(super) fn told(error: RunError) -> InferenceError {
    match error {
        RunError::Overloaded => InferenceError::overloaded(),
        RunError::DeadlineExceeded => InferenceError::deadline_exceeded(),
        RunError::Input(message) => InferenceError::invalid(message),
        RunError::Text(error) => InferenceError::invalid(error.to_string()).with_param("input"),
        RunError::Tensor(error) => InferenceError::invalid(error.to_string()),
        RunError::ContextLength { context, prompt } => InferenceError::new(
            ErrorKind::ContextLengthExceeded,
            format!("the model's context is {context} tokens, the prompt has {prompt}"),
        )
        .with_param("messages"),
        RunError::Template(error) => {
            InferenceError::invalid(error.to_string()).with_param("messages")
        }
        RunError::Format(message) => InferenceError::invalid(message).with_param("response_format"),
        RunError::WrongTask => {
            InferenceError::invalid("the model does not do this task").with_param("model")
        }
        // ONNX Runtime takes inputs that a model's signature allows and its operators do not.
        RunError::Runtime(reason) => {
            InferenceError::invalid("the model could not run on these inputs").with_log(reason)
        }
        RunError::Output => InferenceError::internal().with_log(error),
        RunError::Stopped => {
            InferenceError::new(ErrorKind::Unavailable, "the model is being unloaded")
        }
    }
}

fn into_runtime(tensor: api::Tensor) -> Result<runtime::Tensor, InferenceError> {
    let (name, datatype, shape, data) = tensor.into_parts();
    let made = runtime::Tensor::new(name, datatype_into_runtime(datatype), shape, data);
    made.map_err(|error| InferenceError::invalid(error.to_string()))
}

fn into_api(tensor: runtime::Tensor) -> Result<api::Tensor, InferenceError> {
    let (name, datatype, shape, data) = tensor.into_parts();
    let made = api::Tensor::new(name, datatype_into_api(datatype), shape, data);
    made.map_err(|error| InferenceError::internal().with_log(error))
}

const fn datatype_into_runtime(datatype: api::DataType) -> runtime::DataType {
    match datatype {
        api::DataType::Bool => runtime::DataType::Bool,
        api::DataType::Uint8 => runtime::DataType::Uint8,
        api::DataType::Uint16 => runtime::DataType::Uint16,
        api::DataType::Uint32 => runtime::DataType::Uint32,
        api::DataType::Uint64 => runtime::DataType::Uint64,
        api::DataType::Int8 => runtime::DataType::Int8,
        api::DataType::Int16 => runtime::DataType::Int16,
        api::DataType::Int32 => runtime::DataType::Int32,
        api::DataType::Int64 => runtime::DataType::Int64,
        api::DataType::Fp16 => runtime::DataType::Fp16,
        api::DataType::Bf16 => runtime::DataType::Bf16,
        api::DataType::Fp32 => runtime::DataType::Fp32,
        api::DataType::Fp64 => runtime::DataType::Fp64,
        api::DataType::Bytes => runtime::DataType::Bytes,
    }
}

pub(crate) const fn datatype_into_api(datatype: runtime::DataType) -> api::DataType {
    match datatype {
        runtime::DataType::Bool => api::DataType::Bool,
        runtime::DataType::Uint8 => api::DataType::Uint8,
        runtime::DataType::Uint16 => api::DataType::Uint16,
        runtime::DataType::Uint32 => api::DataType::Uint32,
        runtime::DataType::Uint64 => api::DataType::Uint64,
        runtime::DataType::Int8 => api::DataType::Int8,
        runtime::DataType::Int16 => api::DataType::Int16,
        runtime::DataType::Int32 => api::DataType::Int32,
        runtime::DataType::Int64 => api::DataType::Int64,
        runtime::DataType::Fp16 => api::DataType::Fp16,
        runtime::DataType::Bf16 => api::DataType::Bf16,
        runtime::DataType::Fp32 => api::DataType::Fp32,
        runtime::DataType::Fp64 => api::DataType::Fp64,
        runtime::DataType::Bytes => api::DataType::Bytes,
    }
}
