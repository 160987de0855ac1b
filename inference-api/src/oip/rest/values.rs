//! JSON values of a tensor and the raw bytes that they stand for, both ways.
//!
//! Nested lists are read in row-major order, as the protocol allows. A value
//! that its type cannot hold is refused, never rounded to another.

use std::fmt;

use bytes::Bytes;
use half::{bf16, f16};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{self, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::oip::contents::push_prefixed;
use crate::tensor::{DataType, Tensor, element_count};

/// The bytes of `json`'s values. The error says what is wrong, without quoting.
pub(super) fn read(json: &RawValue, datatype: DataType, shape: &[i64]) -> Result<Bytes, String> {
    let mut left = element_count(shape).map_err(|problem| problem.to_string())?;
    let mut bytes = Vec::new();
    let values = Values {
        datatype,
        bytes: &mut bytes,
        left: &mut left,
        depth: 0,
    };
    let mut reader = serde_json::Deserializer::from_str(json.get());
    match values.deserialize(&mut reader) {
        Ok(()) => Ok(bytes.into()),
        Err(_quoting) if left == 0 => Err("data has more values than the shape".to_owned()),
        Err(_quoting) => Err(format!("data has a value that is not {datatype}")),
    }
}

/// Reads one value or a list of them onto the end of `bytes`.
struct Values<'a> {
    datatype: DataType,
    bytes: &'a mut Vec<u8>,
    /// How many more the shape has room for.
    left: &'a mut usize,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "values of {}", self.datatype)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.depth >= Tensor::MAX_RANK {
            return Err(A::Error::custom("too deep"));
        }
        let mut more = true;
        while more {
            let item = Values {
                datatype: self.datatype,
                bytes: &mut *self.bytes,
                left: &mut *self.left,
                depth: self.depth + 1,
            };
            more = items.next_element_seed(item)?.is_some();
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.push(Scalar::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.push(Scalar::Whole(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(Scalar::Whole(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.push(Scalar::Text(value))
    }
}

impl Values<'_> {
    fn push<E: Error>(self, value: Scalar<'_>) -> Result<(), E> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| E::custom("full"))?;
        let pushed = value.append(self.datatype, self.bytes);
        pushed.ok_or_else(|| {
            // So that the error tells of the value, not of the count.
            *self.left += 1;
            E::custom("not of the type")
        })
    }
}

/// One JSON value.
enum Scalar<'a> {
    Bool(bool),
    Whole(i128),
    Float(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    /// Appends the value as `datatype`, or nothing when it cannot hold it.
    fn append(&self, datatype: DataType, bytes: &mut Vec<u8>) -> Option<()> {
        match datatype {
            DataType::Bool => match self {
                Self::Bool(value) => bytes.push(u8::from(*value)),
                Self::Whole(_) | Self::Float(_) | Self::Text(_) => return None,
            },
            DataType::Uint8 => bytes.extend(self.whole::<u8>()?.to_le_bytes()),
            DataType::Uint16 => bytes.extend(self.whole::<u16>()?.to_le_bytes()),
            DataType::Uint32 => bytes.extend(self.whole::<u32>()?.to_le_bytes()),
            DataType::Uint64 => bytes.extend(self.whole::<u64>()?.to_le_bytes()),
            DataType::Int8 => bytes.extend(self.whole::<i8>()?.to_le_bytes()),
            DataType::Int16 => bytes.extend(self.whole::<i16>()?.to_le_bytes()),
            DataType::Int32 => bytes.extend(self.whole::<i32>()?.to_le_bytes()),
            DataType::Int64 => bytes.extend(self.whole::<i64>()?.to_le_bytes()),
            DataType::Fp16 => {
                bytes.extend(self.float(f16::from_f64, f16::is_finite)?.to_le_bytes())
            }
            DataType::Bf16 => {
                bytes.extend(self.float(bf16::from_f64, bf16::is_finite)?.to_le_bytes())
            }
            DataType::Fp32 => bytes.extend(self.float(single, f32::is_finite)?.to_le_bytes()),
            DataType::Fp64 => {
                bytes.extend(self.float(|value| value, f64::is_finite)?.to_le_bytes())
            }
            DataType::Bytes => match self {
                Self::Text(value) => push_prefixed(bytes, value.as_bytes()).ok()?,
                Self::Bool(_) | Self::Whole(_) | Self::Float(_) => return None,
            },
        }
        Some(())
    }

    fn whole<T: TryFrom<i128>>(&self) -> Option<T> {
        match self {
            Self::Whole(value) => T::try_from(*value).ok(),
            Self::Bool(_) | Self::Float(_) | Self::Text(_) => None,
        }
    }

    fn float<T: Copy>(&self, narrow: fn(f64) -> T, is_finite: fn(T) -> bool) -> Option<T> {
        let value = match self {
            Self::Float(value) => *value,
            #[expect(
                clippy::cast_precision_loss,
                reason = "what a float of a whole number is"
            )]
            Self::Whole(value) => *value as f64,
            Self::Bool(_) | Self::Text(_) => return None,
        };
        Some(narrow(value)).filter(|value| is_finite(*value))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to FP32 is meant")]
fn single(value: f64) -> f32 {
    value as f32
}

/// A tensor's values as a flat JSON list. What JSON has no number for (NaN,
/// infinities) is written as null.
pub(super) struct JsonValues<'a>(pub(super) &'a Tensor);

impl Serialize for JsonValues<'_> {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        let data = self.0.data().as_ref();
        match self.0.datatype() {
            DataType::Bool => json.collect_seq(data.iter().map(|byte| *byte != 0)),
            DataType::Uint8 => list(json, data, u8::from_le_bytes),
            DataType::Uint16 => list(json, data, u16::from_le_bytes),
            DataType::Uint32 => list(json, data, u32::from_le_bytes),
            DataType::Uint64 => list(json, data, u64::from_le_bytes),
            DataType::Int8 => list(json, data, i8::from_le_bytes),
            DataType::Int16 => list(json, data, i16::from_le_bytes),
            DataType::Int32 => list(json, data, i32::from_le_bytes),
            DataType::Int64 => list(json, data, i64::from_le_bytes),
            DataType::Fp16 => list(json, data, |bytes| f16::from_le_bytes(bytes).to_f32()),
            DataType::Bf16 => list(json, data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            DataType::Fp32 => list(json, data, f32::from_le_bytes),
            DataType::Fp64 => list(json, data, f64::from_le_bytes),
            DataType::Bytes => json.collect_seq(self.0.strings().map(Text)),
        }
    }
}

fn list<S: Serializer, T: Serialize, const N: usize>(
    json: S,
    data: &[u8],
    read: fn([u8; N]) -> T,
) -> Result<S::Ok, S::Error> {
    let (values, _none) = data.as_chunks();
    json.collect_seq(values.iter().map(|bytes| read(*bytes)))
}

/// A string that must be UTF-8, as all of JSON is.
struct Text(Bytes);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(&self.0).map_err(ser::Error::custom)?;
        json.serialize_str(text)
    }
}

#[cfg(test)]
mod tests;
