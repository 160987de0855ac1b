//! Generated text, as a site sends it. One way only.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use inference_api::{
    Delta, Event, FinishReason, GeneratedToken, InferenceError, InferenceStream, ToolCall,
    ToolCallDelta,
};
use tideline_proto::tideline::inference::v1 as wire;
use tonic::Streaming;
use wire::execute_event::Event as Told;

use super::{decode_served, error, unfit, usage};

/// An answer that flows. It is given once its first piece is here: until then nothing was promised to
/// the caller, and another placement can still serve.
pub(in crate::execute) async fn flowing(
    mut events: Streaming<wire::ExecuteEvent>,
) -> Result<InferenceStream, InferenceError> {
    let mut served = None;
    let first = loop {
        match next(&mut events).await? {
            Some(Told::Served(told)) => served = Some(decode_served(told)?),
            Some(other) => break decode(other)?,
            None => return Err(unfit("its answer was cut off")),
        }
    };
    let served = served.ok_or_else(|| unfit("it did not say what serves"))?;
    let rest = stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        let event = match next(&mut events).await {
            Ok(Some(told)) => decode(told),
            // What ends without saying so was cut off.
            Ok(None) => Err(unfit("its answer was cut off")),
            Err(error) => Err(error),
        };
        let goes_on = matches!(&event, Ok(event) if !matches!(event, Event::Usage(_)));
        Some((event, goes_on.then_some(events)))
    });
    let whole = matches!(first, Event::Usage(_));
    let first = stream::once(async { Ok(first) });
    Ok(if whole {
        InferenceStream::flowing(Arc::new(served), first)
    } else {
        InferenceStream::flowing(Arc::new(served), first.chain(rest))
    })
}

async fn next(events: &mut Streaming<wire::ExecuteEvent>) -> Result<Option<Told>, InferenceError> {
    let message = events.message().await.map_err(|status| error(&status))?;
    match message {
        Some(message) => match message.event {
            Some(event) => Ok(Some(event)),
            None => Err(unfit("it sent an event that is not known")),
        },
        None => Ok(None),
    }
}

fn decode(told: Told) -> Result<Event, InferenceError> {
    let small = |number: u32| {
        u8::try_from(number).map_err(|_large| unfit("it numbered an answer that nobody asked for"))
    };
    Ok(match told {
        Told::Text(delta) => Event::Delta(Delta {
            choice: small(delta.choice)?,
            text: delta.text,
            tokens: delta.tokens.into_iter().map(token).collect(),
        }),
        Told::ToolCall(delta) => {
            let call = delta.call.unwrap_or_default();
            Event::ToolCall(ToolCallDelta {
                choice: small(delta.choice)?,
                index: small(delta.index)?,
                call: ToolCall {
                    id: call.id,
                    name: call.name,
                    arguments: call.arguments_json,
                },
            })
        }
        Told::Finished(finished) => {
            let reason = FinishReason::parse(&finished.reason);
            let reason = reason.ok_or_else(|| unfit("an answer ended for no known reason"))?;
            Event::Finished(small(finished.choice)?, reason)
        }
        Told::Done(done) => Event::Usage(usage(&done)),
        Told::Served(told) => Event::Served(Arc::new(decode_served(told)?)),
        Told::Embeddings(_) | Told::Outputs(_) => {
            return Err(unfit("it sent an event that was not asked for"));
        }
    })
}

fn token(token: wire::TextToken) -> GeneratedToken {
    let finite = |logprob: f32| {
        if logprob.is_finite() {
            logprob
        } else {
            f32::MIN
        }
    };
    let alternatives = token.alternatives.into_iter();
    GeneratedToken {
        id: token.id,
        logprob: finite(token.logprob),
        bytes: token.text.into(),
        alternatives: alternatives
            .map(|one| (one.text.into(), finite(one.logprob)))
            .collect(),
    }
}
