//! Tensors of every type of the Open Inference Protocol, in and out of ONNX Runtime.
//!
//! Invariant: the bytes are exactly as many as shape and type call for. Numbers go in without being
//! copied wherever their bytes are aligned.

use std::fmt;

use bytes::Bytes;
use half::{bf16, f16};
use ort::session::SessionInputValue;
use ort::value::{
    DynValue, PrimitiveTensorElementType, Tensor as OrtTensor, TensorElementType, TensorRef,
};

/// The types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their names say all")]
pub enum DataType {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    /// Texts, each preceded by its length in four bytes. ONNX Runtime takes UTF-8 alone.
    Bytes,
}

impl DataType {
    /// Size of one value in bytes; `None` where it varies.
    #[must_use]
    pub const fn size_bytes(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "ONNX Runtime's list grows; the protocol's does not"
    )]
    pub(crate) const fn of(element: TensorElementType) -> Option<Self> {
        Some(match element {
            TensorElementType::Bool => Self::Bool,
            TensorElementType::Uint8 => Self::Uint8,
            TensorElementType::Uint16 => Self::Uint16,
            TensorElementType::Uint32 => Self::Uint32,
            TensorElementType::Uint64 => Self::Uint64,
            TensorElementType::Int8 => Self::Int8,
            TensorElementType::Int16 => Self::Int16,
            TensorElementType::Int32 => Self::Int32,
            TensorElementType::Int64 => Self::Int64,
            TensorElementType::Float16 => Self::Fp16,
            TensorElementType::Bfloat16 => Self::Bf16,
            TensorElementType::Float32 => Self::Fp32,
            TensorElementType::Float64 => Self::Fp64,
            TensorElementType::String => Self::Bytes,
            _ => return None,
        })
    }
}

/// A named array: little-endian, row-major, without padding. A clone shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    pub(crate) name: String,
    pub(crate) datatype: DataType,
    pub(crate) shape: Vec<i64>,
    pub(crate) data: Bytes,
}

/// Why bytes are not a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The shape is negative somewhere, or has room for more than can be addressed.
    #[error(
        "the shape is not one, expected dimensions that are not negative and whose product can be addressed"
    )]
    Shape,
    /// The bytes are not as many as the shape says.
    #[error("the shape and type call for {expected} bytes, got {actual}")]
    Size {
        /// Bytes that shape and type call for.
        expected: usize,
        /// Bytes that are there.
        actual: usize,
    },
    /// The texts do not add up to the data.
    #[error("the lengths before the texts do not add up to the data")]
    Texts,
    /// ONNX Runtime takes texts in UTF-8 alone.
    #[error("a text is not valid UTF-8")]
    NotUtf8,
}

impl Tensor {
    /// A tensor of these bytes, which are not copied.
    ///
    /// # Errors
    /// [`TensorError`] when shape and bytes disagree. Nothing is allocated by what a shape says.
    pub fn new(
        name: impl Into<String>,
        datatype: DataType,
        shape: Vec<i64>,
        data: Bytes,
    ) -> Result<Self, TensorError> {
        let count = count(&shape)?;
        if let Some(size) = datatype.size_bytes() {
            let expected = count.checked_mul(size).ok_or(TensorError::Shape)?;
            if expected != data.len() {
                return Err(TensorError::Size {
                    expected,
                    actual: data.len(),
                });
            }
        } else if texts(&data).try_fold(0_usize, |n, text| text.map(|_| n + 1))? != count {
            return Err(TensorError::Texts);
        }
        Ok(Self {
            name: name.into(),
            datatype,
            shape,
            data,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its values.
    #[must_use]
    pub const fn datatype(&self) -> DataType {
        self.datatype
    }

    /// Its dimensions.
    #[must_use]
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Its values.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// All of it, by value: name, type, shape, values.
    #[must_use]
    pub fn into_parts(self) -> (String, DataType, Vec<i64>, Bytes) {
        (self.name, self.datatype, self.shape, self.data)
    }

    /// The tensor as ONNX Runtime takes it, borrowing the bytes where it can.
    pub(crate) fn as_input(&self) -> Result<SessionInputValue<'_>, InputError> {
        match self.datatype {
            DataType::Bool => {
                // Any byte but 0 is true: a bool of another value must not exist.
                let values: Vec<bool> = self.data.iter().map(|byte| *byte != 0).collect();
                Ok(OrtTensor::from_array((self.shape.as_slice(), values))?.into())
            }
            DataType::Uint8 => self.numbers::<u8>(),
            DataType::Uint16 => self.numbers::<u16>(),
            DataType::Uint32 => self.numbers::<u32>(),
            DataType::Uint64 => self.numbers::<u64>(),
            DataType::Int8 => self.numbers::<i8>(),
            DataType::Int16 => self.numbers::<i16>(),
            DataType::Int32 => self.numbers::<i32>(),
            DataType::Int64 => self.numbers::<i64>(),
            DataType::Fp16 => self.numbers::<f16>(),
            DataType::Bf16 => self.numbers::<bf16>(),
            DataType::Fp32 => self.numbers::<f32>(),
            DataType::Fp64 => self.numbers::<f64>(),
            DataType::Bytes => {
                let utf8 = |text: Result<Bytes, TensorError>| {
                    String::from_utf8(text?.into()).map_err(|_content| TensorError::NotUtf8)
                };
                let values = texts(&self.data).map(utf8).collect::<Result<Vec<_>, _>>()?;
                Ok(
                    OrtTensor::from_string_array((self.shape.as_slice(), values.as_slice()))?
                        .into(),
                )
            }
        }
    }

    fn numbers<T>(&self) -> Result<SessionInputValue<'_>, InputError>
    where
        T: PrimitiveTensorElementType + bytemuck::Pod + fmt::Debug,
    {
        let shape = self.shape.as_slice();
        match bytemuck::try_cast_slice::<u8, T>(&self.data) {
            Ok(values) if !values.is_empty() => {
                Ok(TensorRef::from_array_view((shape, values))?.into())
            }
            Ok(_) => Ok(OrtTensor::from_array((shape, Vec::<T>::new()))?.into()),
            Err(_misaligned) => {
                let values: Vec<T> = self
                    .data
                    .chunks_exact(size_of::<T>())
                    .map(bytemuck::pod_read_unaligned)
                    .collect();
                Ok(OrtTensor::from_array((shape, values))?.into())
            }
        }
    }

    /// Copies an output out of ONNX Runtime's memory. `None` for a type that the protocol lacks.
    pub(crate) fn from_output(name: &str, value: &DynValue) -> ort::Result<Option<Self>> {
        let Some(datatype) = value.dtype().tensor_type().and_then(DataType::of) else {
            return Ok(None);
        };
        let (shape, data) = match datatype {
            DataType::Bool => {
                let (shape, values) = value.try_extract_tensor::<bool>()?;
                (shape, values.iter().map(|value| u8::from(*value)).collect())
            }
            DataType::Uint8 => copied::<u8>(value)?,
            DataType::Uint16 => copied::<u16>(value)?,
            DataType::Uint32 => copied::<u32>(value)?,
            DataType::Uint64 => copied::<u64>(value)?,
            DataType::Int8 => copied::<i8>(value)?,
            DataType::Int16 => copied::<i16>(value)?,
            DataType::Int32 => copied::<i32>(value)?,
            DataType::Int64 => copied::<i64>(value)?,
            DataType::Fp16 => copied::<f16>(value)?,
            DataType::Bf16 => copied::<bf16>(value)?,
            DataType::Fp32 => copied::<f32>(value)?,
            DataType::Fp64 => copied::<f64>(value)?,
            DataType::Bytes => {
                let (shape, texts) = value.try_extract_strings()?;
                (shape, prefixed(&texts))
            }
        };
        Ok(Some(Self {
            name: name.to_owned(),
            datatype,
            shape: shape.to_vec(),
            data,
        }))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Tensor({:?} {:?} {:?}, {} bytes)",
            self.name,
            self.datatype,
            self.shape,
            self.data.len()
        )
    }
}

/// Why a tensor could not be given to ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error(transparent)]
    Tensor(#[from] TensorError),
    #[error(transparent)]
    Runtime(#[from] ort::Error),
}

fn copied<T>(value: &DynValue) -> ort::Result<(&ort::value::Shape, Bytes)>
where
    T: PrimitiveTensorElementType + bytemuck::Pod,
{
    let (shape, values) = value.try_extract_tensor::<T>()?;
    Ok((shape, Bytes::copy_from_slice(bytemuck::cast_slice(values))))
}

fn count(shape: &[i64]) -> Result<usize, TensorError> {
    shape.iter().try_fold(1_usize, |count, dimension| {
        let dimension = usize::try_from(*dimension).map_err(|_negative| TensorError::Shape)?;
        count.checked_mul(dimension).ok_or(TensorError::Shape)
    })
}

/// The texts in length-prefixed data; an error where one is cut off.
fn texts(data: &Bytes) -> impl Iterator<Item = Result<Bytes, TensorError>> {
    let mut left = data.clone();
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let length = left.first_chunk().map(|length| u32::from_le_bytes(*length));
        let end = length.and_then(|length| usize::try_from(length).ok()?.checked_add(4));
        let Some(end) = end.filter(|end| *end <= left.len()) else {
            left.clear();
            return Some(Err(TensorError::Texts));
        };
        Some(Ok(left.split_to(end).slice(4..)))
    })
}

fn prefixed(texts: &[String]) -> Bytes {
    let mut data = Vec::with_capacity(texts.iter().map(|text| text.len() + 4).sum());
    for text in texts {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        data.extend_from_slice(&length.to_le_bytes());
        data.extend_from_slice(text.as_bytes());
    }
    data.into()
}

#[cfg(test)]
mod tests;
