//! An answer as it travels to the agent that asked. One way only.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use inference_api::{Delta, Event, GeneratedToken, Served, Tensor, Usage};
use placement::UsdPerMillionTokens;
use tideline_proto::tideline::inference::v1 as wire;
use wire::execute_event::Event as Told;

/// The first event: what serves.
pub(super) fn served(served: &Served, here: &str) -> wire::ExecuteEvent {
    event(Told::Served(wire::Served {
        model: served.model.as_str().to_owned(),
        variant: served.variant.clone().unwrap_or_default(),
        provider: served.provider.clone().unwrap_or_default(),
        site: served.site.as_deref().unwrap_or(here).to_owned(),
    }))
}

/// A result, or the end. `took` is what this site spent so far, and `price` what a million tokens cost.
pub(super) fn told(
    from: Event,
    took: Duration,
    price: Option<UsdPerMillionTokens>,
    here: &str,
) -> wire::ExecuteEvent {
    event(match from {
        Event::Embeddings(vectors) => Told::Embeddings(wire::Embeddings {
            vectors: vectors.iter().map(|vector| encode_vector(vector)).collect(),
        }),
        Event::Outputs(tensors) => Told::Outputs(wire::TensorOutputs {
            outputs: tensors.into_iter().map(tensor).collect(),
        }),
        Event::Delta(delta) => Told::Text(text(delta)),
        Event::ToolCall(delta) => Told::ToolCall(wire::ToolCallDelta {
            choice: delta.choice.into(),
            index: delta.index.into(),
            call: Some(wire::ToolCall {
                id: delta.call.id,
                name: delta.call.name,
                arguments_json: delta.call.arguments,
            }),
        }),
        Event::Finished(choice, reason) => Told::Finished(wire::AnswerFinished {
            choice: choice.into(),
            reason: reason.name().to_owned(),
        }),
        Event::Served(now) => return served(&now, here),
        Event::Usage(usage) => Told::Done(done(usage, took, price)),
    })
}

fn event(event: Told) -> wire::ExecuteEvent {
    wire::ExecuteEvent { event: Some(event) }
}

fn text(delta: Delta) -> wire::TextDelta {
    let token = |token: GeneratedToken| wire::TextToken {
        id: token.id,
        logprob: token.logprob,
        text: token.bytes.into(),
        alternatives: token
            .alternatives
            .into_iter()
            .map(|(text, logprob)| wire::TokenAlternative {
                text: text.into(),
                logprob,
            })
            .collect(),
    };
    wire::TextDelta {
        choice: delta.choice.into(),
        text: delta.text,
        tokens: delta.tokens.into_iter().map(token).collect(),
    }
}

fn done(usage: Usage, took: Duration, price: Option<UsdPerMillionTokens>) -> wire::Done {
    wire::Done {
        usage: Some(wire::Usage {
            prompt_tokens: usage.prompt_tokens,
            cached_tokens: usage.cached_tokens,
            completion_tokens: usage.completion_tokens,
        }),
        site_seconds: took.as_secs_f64(),
        cost_usd: price.map(|price| price.cost(usage.prompt_tokens, usage.completion_tokens)),
    }
}

fn encode_vector(vector: &[f32]) -> wire::Vector {
    let mut values = BytesMut::with_capacity(size_of_val(vector));
    for value in vector {
        values.put_f32_le(*value);
    }
    wire::Vector {
        values: values.freeze(),
    }
}

fn tensor(tensor: Tensor) -> wire::Tensor {
    let (name, datatype, shape, data): (_, _, _, Bytes) = tensor.into_parts();
    wire::Tensor {
        name,
        datatype: datatype.name().to_owned(),
        shape,
        data,
    }
}
