//! A named array of values, as raw bytes.
//!
//! Invariant: `data` holds exactly as many values of `datatype` as `shape`
//! says. Sizes from the wire are multiplied with care and never used to
//! allocate.

use std::fmt;

use bytes::Bytes;

mod datatype;

pub use datatype::DataType;

/// Values in row-major order, little-endian, without padding. Each value of
/// [`DataType::Bytes`] is preceded by its length in four bytes.
///
/// Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    name: String,
    datatype: DataType,
    shape: Vec<i64>,
    data: Bytes,
}

impl Tensor {
    /// Most dimensions that a tensor can have.
    pub const MAX_RANK: usize = 16;

    /// A tensor of the given bytes, which are not copied.
    ///
    /// # Errors
    ///
    /// [`TensorError`] when the shape is not one, or disagrees with the bytes.
    pub fn new(
        name: impl Into<String>,
        datatype: DataType,
        shape: Vec<i64>,
        data: Bytes,
    ) -> Result<Self, TensorError> {
        let count = element_count(&shape)?;
        match datatype.size_bytes() {
            Some(size) => {
                let expected = count.checked_mul(size).ok_or(TensorError::TooLarge)?;
                if data.len() != expected {
                    let actual = data.len();
                    return Err(TensorError::WrongSize { expected, actual });
                }
            }
            None => check_prefixed(&data, count)?,
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

    /// Its dimensions, none of them negative. Empty for a single value.
    #[must_use]
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Its values as bytes.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The values of a tensor of [`DataType::Bytes`]; none for other types.
    pub fn strings(&self) -> impl Iterator<Item = Bytes> + '_ {
        let prefixed = match self.datatype.size_bytes() {
            None => self.data.clone(),
            Some(_) => Bytes::new(),
        };
        Prefixed(prefixed)
    }

    /// All of it, by value.
    #[must_use]
    pub fn into_parts(self) -> (String, DataType, Vec<i64>, Bytes) {
        (self.name, self.datatype, self.shape, self.data)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            datatype,
            shape,
            data,
        } = self;
        write!(
            f,
            "Tensor({name:?} {datatype} {shape:?}, {} bytes)",
            data.len()
        )
    }
}

/// How many values a shape has room for.
///
/// # Errors
///
/// [`TensorError`] when a dimension is negative, when there are too many of
/// them, or when their product overflows.
pub(crate) fn element_count(shape: &[i64]) -> Result<usize, TensorError> {
    if shape.len() > Tensor::MAX_RANK {
        return Err(TensorError::TooManyDimensions { count: shape.len() });
    }
    shape.iter().try_fold(1_usize, |count, &dimension| {
        let size = u64::try_from(dimension).or(Err(TensorError::Negative { dimension }))?;
        let size = usize::try_from(size).or(Err(TensorError::TooLarge))?;
        count.checked_mul(size).ok_or(TensorError::TooLarge)
    })
}

/// Walks length-prefixed values; ends early where they are cut off.
struct Prefixed(Bytes);

impl Iterator for Prefixed {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let length = u32::from_le_bytes(*self.0.first_chunk()?);
        let end = usize::try_from(length).ok()?.checked_add(4)?;
        if end > self.0.len() {
            return None;
        }
        let value = self.0.split_to(end);
        Some(value.slice(4..))
    }
}

fn check_prefixed(data: &Bytes, expected: usize) -> Result<(), TensorError> {
    let mut walk = Prefixed(data.clone());
    let actual = walk.by_ref().take(expected.saturating_add(1)).count();
    if actual != expected {
        return Err(TensorError::WrongCount { expected, actual });
    }
    if !walk.0.is_empty() {
        return Err(TensorError::CutOff);
    }
    Ok(())
}

/// Why something is not a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// A dimension is negative.
    #[error("dimension {dimension} is negative")]
    Negative {
        /// The dimension.
        dimension: i64,
    },
    /// There are more dimensions than [`Tensor::MAX_RANK`].
    #[error("{count} dimensions, at most {} are allowed", Tensor::MAX_RANK)]
    TooManyDimensions {
        /// How many there are.
        count: usize,
    },
    /// The shape has room for more than memory could hold.
    #[error("the shape has room for more values than can be addressed")]
    TooLarge,
    /// The bytes are not as many as the shape says.
    #[error("the shape needs {expected} bytes of data, got {actual}")]
    WrongSize {
        /// Bytes that shape and type call for.
        expected: usize,
        /// Bytes that are there.
        actual: usize,
    },
    /// The values are not as many as the shape says.
    #[error("the shape needs {expected} values, got {actual}")]
    WrongCount {
        /// Values that the shape calls for.
        expected: usize,
        /// Values that are there, counted up to one too many.
        actual: usize,
    },
    /// A string's length points past the end of the data, or bytes are left.
    #[error("the lengths before the strings do not add up to the data")]
    CutOff,
}

#[cfg(test)]
mod tests;
