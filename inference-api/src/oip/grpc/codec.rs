//! Reads an infer call only after counting what is in it.
//!
//! Protobuf lets two bytes stand for an empty message, which takes hundreds in
//! memory: a call within its bound of bytes could still fill the machine. The
//! counting looks at fields, not into tensors, so it costs next to nothing.

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use tideline_proto::inference::{ModelInferRequest, ModelInferResponse};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use crate::error::InferenceError;
use crate::refusal::status;

/// Most fields in a call, tensors' parts included.
const MAX_FIELDS: usize = 1 << 20;

/// Field numbers of a call, and of one of its inputs.
const INPUTS: u32 = 5;
const OUTPUTS: u32 = 6;
const RAW_INPUT_CONTENTS: u32 = 7;
const INPUT_CONTENTS: u32 = 5;

/// Reads calls of at most so many tensors, writes any answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct InferCodec {
    pub(super) max_tensors: usize,
}

impl Codec for InferCodec {
    type Encode = ModelInferResponse;
    type Decode = ModelInferRequest;
    type Encoder = ProstEncoder<ModelInferResponse>;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Decoder for InferCodec {
    type Item = ModelInferRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let message = buffer.chunk();
        let message = message.get(..buffer.remaining()).unwrap_or(message);
        count(message, self.max_tensors).map_err(|error| status(&error))?;
        ModelInferRequest::decode(buffer)
            .map(Some)
            .map_err(|error| {
                let message = "the message is not a ModelInferRequest";
                status(&InferenceError::invalid(message).with_log(error))
            })
    }
}

/// Refuses a call of too many tensors or fields. One that is not protobuf at
/// all is left to the decoder to refuse.
fn count(message: &[u8], max_tensors: usize) -> Result<(), InferenceError> {
    let (mut inputs, mut outputs, mut raw, mut fields) = (0, 0, 0, 0);
    for (number, value) in Fields(message) {
        fields += 1;
        match number {
            INPUTS => {
                inputs += 1;
                fields += fields_of_input(value);
            }
            OUTPUTS => {
                outputs += 1;
                fields += Fields(value).count();
            }
            RAW_INPUT_CONTENTS => raw += 1,
            _ => {}
        }
        if inputs.max(outputs).max(raw) > max_tensors {
            let message = format!("more than {max_tensors} tensors, the most taken here");
            return Err(InferenceError::invalid(message).with_param("inputs"));
        }
        if fields > MAX_FIELDS {
            let message = "too many values one by one: send them as raw_input_contents";
            return Err(InferenceError::invalid(message).with_param("inputs"));
        }
    }
    Ok(())
}

fn fields_of_input(input: &[u8]) -> usize {
    let own_and_inner = |(number, value)| match number {
        INPUT_CONTENTS => 1 + Fields(value).count(),
        _ => 1,
    };
    Fields(input).map(own_and_inner).sum()
}

/// The fields of a message: numbers, and contents where they have a length.
/// Ends early where the message is malformed.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (number, wire_type) = decode_key(&mut self.0).ok()?;
        if wire_type != WireType::LengthDelimited {
            skip_field(wire_type, number, &mut self.0, DecodeContext::default()).ok()?;
            return Some((number, &[]));
        }
        let length = decode_varint(&mut self.0).ok()?;
        let (value, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some((number, value))
    }
}

#[cfg(test)]
mod tests;
