//! A site's answer, from the wire into an answer that cannot be wrong, and its failures into our
//! own class of errors. One way only; a site is not believed more than its bytes show.

mod generation;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inference_api::{
    DataType, ErrorKind, InferenceError, InferenceRequest, InferenceStream, ModelName, Output,
    Placement, Served, Task, Tensor, Usage,
};
use tideline_proto::tideline::inference::v1 as wire;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use wire::execute_event::Event;

pub(super) use self::generation::flowing;
use crate::fleet::brief;

/// The longest message of a site that a caller is shown, in characters.
const MAX_TEXT: usize = 256;

/// What was asked, as far as an answer must fit it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// So many vectors.
    Vectors(usize),
    /// Tensors.
    Tensors,
    /// Text, as it is generated.
    Text,
}

impl Asked {
    pub(super) fn of(request: &InferenceRequest) -> Self {
        match &request.task {
            Task::Embedding(task) => Self::Vectors(task.inputs.len()),
            Task::Infer(_) => Self::Tensors,
            Task::Chat(_) | Task::Completion(_) => Self::Text,
        }
    }
}

/// An answer, as far as it has arrived.
#[derive(Debug)]
pub(super) struct Answer {
    asked: Asked,
    served: Option<Served>,
    output: Option<Output>,
    usage: Option<Usage>,
}

impl Answer {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            asked,
            served: None,
            output: None,
            usage: None,
        }
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, event: wire::ExecuteEvent) -> Result<(), InferenceError> {
        match event.event {
            Some(Event::Served(served)) => self.served = Some(decode_served(served)?),
            Some(Event::Embeddings(embeddings)) => {
                self.output = Some(vectors(embeddings, self.asked)?)
            }
            Some(Event::Outputs(outputs)) => self.output = Some(tensors(outputs, self.asked)?),
            Some(Event::Done(done)) => self.usage = Some(usage(&done)),
            Some(Event::Text(_) | Event::ToolCall(_) | Event::Finished(_)) | None => {
                return Err(unfit("it sent an event that was not asked for"));
            }
        }
        Ok(())
    }

    /// The whole answer. One without its last event was cut off.
    pub(super) fn finish(self) -> Result<InferenceStream, InferenceError> {
        let (Some(served), Some(output), Some(usage)) = (self.served, self.output, self.usage)
        else {
            return Err(unfit("its answer was cut off"));
        };
        Ok(InferenceStream::once(Arc::new(served), output, usage))
    }
}

/// What a failed call means to the caller. What only an operator can mend is "unavailable" to them.
pub(super) fn error(status: &Status) -> InferenceError {
    let told = status
        .get_details_error_info()
        .and_then(|info| ErrorKind::from_code(&info.reason));
    let kind = told.unwrap_or_else(|| match status.code() {
        Code::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        Code::ResourceExhausted => ErrorKind::Overloaded,
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::InvalidRequest,
        Code::NotFound => ErrorKind::ModelNotReady,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => ErrorKind::Unavailable,
    });
    let message = match told {
        Some(_) => status
            .message()
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_TEXT)
            .collect(),
        None => "the gateway could not serve the request".to_owned(),
    };
    // A transport's own words hold no content; what a site wrote freely might.
    let log = match (told, std::error::Error::source(status)) {
        (None, Some(_)) => format!("{}: {}", status.code(), brief(status)),
        (None, None) | (Some(_), _) => status.code().to_string(),
    };
    InferenceError::new(kind, message).with_log(log)
}

fn decode_served(served: wire::Served) -> Result<Served, InferenceError> {
    let known = |text: String| Some(text).filter(|text| (1..=MAX_TEXT).contains(&text.len()));
    let model = ModelName::new(&served.model).ok_or_else(|| unfit("it named no model"))?;
    Ok(Served {
        variant: known(served.variant),
        provider: known(served.provider),
        site: known(served.site),
        ..Served::new(Placement::Cloud, model)
    })
}

fn vectors(embeddings: wire::Embeddings, asked: Asked) -> Result<Output, InferenceError> {
    let Asked::Vectors(count) = asked else {
        return Err(unfit("it sent vectors for tensors"));
    };
    let vectors: Option<Vec<Vec<f32>>> = embeddings
        .vectors
        .into_iter()
        .map(|vector| floats(&vector.values))
        .collect();
    let vectors = vectors.ok_or_else(|| unfit("a vector was not made of 32-bit floats"))?;
    let dimensions = vectors.first().map_or(0, Vec::len);
    if vectors.len() != count
        || dimensions == 0
        || vectors.iter().any(|vector| vector.len() != dimensions)
    {
        return Err(unfit(
            "its vectors were not as many or as long as they must be",
        ));
    }
    Ok(Output::Embeddings(vectors))
}

fn floats(bytes: &Bytes) -> Option<Vec<f32>> {
    let (floats, rest) = bytes.as_chunks::<4>();
    let floats: Vec<f32> = floats.iter().copied().map(f32::from_le_bytes).collect();
    (rest.is_empty() && floats.iter().all(|value| value.is_finite())).then_some(floats)
}

fn tensors(outputs: wire::TensorOutputs, asked: Asked) -> Result<Output, InferenceError> {
    match asked {
        Asked::Tensors => {}
        Asked::Vectors(_) | Asked::Text => return Err(unfit("it sent tensors for vectors")),
    }
    let tensor = |tensor: wire::Tensor| {
        let datatype = DataType::parse(&tensor.datatype)?;
        Tensor::new(tensor.name, datatype, tensor.shape, tensor.data).ok()
    };
    let tensors: Option<Vec<_>> = outputs.outputs.into_iter().map(tensor).collect();
    tensors
        .map(Output::Tensors)
        .ok_or_else(|| unfit("a tensor's shape and bytes disagreed"))
}

fn usage(done: &wire::Done) -> Usage {
    let told = done.usage.unwrap_or_default();
    let amount = |amount: f64| Some(amount).filter(|amount| amount.is_finite() && *amount >= 0.0);
    Usage {
        prompt_tokens: told.prompt_tokens,
        cached_tokens: told.cached_tokens,
        completion_tokens: told.completion_tokens,
        cost_usd: done.cost_usd.and_then(amount),
        site_time: amount(done.site_seconds)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    }
}

/// The site answered what cannot be.
fn unfit(what: &'static str) -> InferenceError {
    InferenceError::new(
        ErrorKind::Unavailable,
        "the site's answer could not be used",
    )
    .with_log(what)
}
