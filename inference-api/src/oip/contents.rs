//! Typed contents of a gRPC tensor, as the raw bytes that they stand for.

use bytes::Bytes;
use tideline_proto::inference::InferTensorContents;

use crate::error::InferenceError;
use crate::tensor::DataType;

/// The values of the one field that fits `datatype`; the others must be empty.
pub(super) fn to_bytes(
    datatype: DataType,
    mut contents: InferTensorContents,
) -> Result<Bytes, InferenceError> {
    let bytes = take(datatype, &mut contents)?;
    if contents != InferTensorContents::default() {
        let message = format!("contents of another type than {datatype}");
        return Err(InferenceError::invalid(message));
    }
    Ok(bytes.into())
}

fn take(datatype: DataType, from: &mut InferTensorContents) -> Result<Vec<u8>, InferenceError> {
    match datatype {
        DataType::Bool => Ok(all(&mut from.bool_contents, |value| [u8::from(value)])),
        DataType::Int8 => fitting(datatype, &mut from.int_contents, i8::to_le_bytes),
        DataType::Int16 => fitting(datatype, &mut from.int_contents, i16::to_le_bytes),
        DataType::Int32 => Ok(all(&mut from.int_contents, i32::to_le_bytes)),
        DataType::Int64 => Ok(all(&mut from.int64_contents, i64::to_le_bytes)),
        DataType::Uint8 => fitting(datatype, &mut from.uint_contents, u8::to_le_bytes),
        DataType::Uint16 => fitting(datatype, &mut from.uint_contents, u16::to_le_bytes),
        DataType::Uint32 => Ok(all(&mut from.uint_contents, u32::to_le_bytes)),
        DataType::Uint64 => Ok(all(&mut from.uint64_contents, u64::to_le_bytes)),
        DataType::Fp32 => Ok(all(&mut from.fp32_contents, f32::to_le_bytes)),
        DataType::Fp64 => Ok(all(&mut from.fp64_contents, f64::to_le_bytes)),
        DataType::Fp16 | DataType::Bf16 => {
            let message = format!("{datatype} can only be sent as raw_input_contents");
            Err(InferenceError::invalid(message))
        }
        DataType::Bytes => {
            let mut bytes = Vec::new();
            for value in std::mem::take(&mut from.bytes_contents) {
                push_prefixed(&mut bytes, &value)?;
            }
            Ok(bytes)
        }
    }
}

/// Appends a value of [`DataType::Bytes`] with its length before it.
pub(super) fn push_prefixed(bytes: &mut Vec<u8>, value: &[u8]) -> Result<(), InferenceError> {
    let length = u32::try_from(value.len());
    let length = length.or(Err(InferenceError::invalid("a value is longer than 4 GiB")))?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(value);
    Ok(())
}

fn all<T, const N: usize>(values: &mut Vec<T>, to_bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    std::mem::take(values)
        .into_iter()
        .flat_map(to_bytes)
        .collect()
}

fn fitting<W, T: TryFrom<W>, const N: usize>(
    datatype: DataType,
    values: &mut Vec<W>,
    to_bytes: fn(T) -> [u8; N],
) -> Result<Vec<u8>, InferenceError> {
    let mut bytes = Vec::with_capacity(values.len().saturating_mul(N));
    for value in std::mem::take(values) {
        let Ok(value) = T::try_from(value) else {
            let message = format!("a value is out of {datatype}'s range");
            return Err(InferenceError::invalid(message));
        };
        bytes.extend_from_slice(&to_bytes(value));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
