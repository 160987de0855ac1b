//! Protocol Buffers on the wire: fields of a message one after the other, nothing copied.
//!
//! ONNX uses two of the four kinds of field for everything that is looked at here.

use super::GraphError;

/// One field: its number and what it holds.
pub(super) enum Field<'m> {
    Number(u64, u64),
    Bytes(u64, &'m [u8]),
}

/// The fields of a message; after an error there are no more.
pub(super) struct Message<'m> {
    left: &'m [u8],
}

const CUT_OFF: GraphError = GraphError::Malformed("it is cut off or corrupt");

impl<'m> Message<'m> {
    pub(super) const fn new(bytes: &'m [u8]) -> Self {
        Self { left: bytes }
    }

    /// The fields with all of their bytes: number, the whole field, and its content where it has any.
    /// They end where the message is malformed.
    pub(super) fn whole(mut self) -> impl Iterator<Item = (u64, &'m [u8], Option<&'m [u8]>)> {
        std::iter::from_fn(move || {
            let before = self.left;
            let (number, content) = match self.next()?.ok()? {
                Field::Number(number, _) => (number, None),
                Field::Bytes(number, content) => (number, Some(content)),
            };
            let whole = before.get(..before.len() - self.left.len())?;
            Some((number, whole, content))
        })
    }

    fn field(&mut self) -> Result<Field<'m>, GraphError> {
        let key = varint(&mut self.left)?;
        let number = key >> 3;
        if number == 0 {
            return Err(CUT_OFF);
        }
        match key & 7 {
            0 => Ok(Field::Number(number, varint(&mut self.left)?)),
            1 => take(&mut self.left, 8).map(|_| Field::Number(number, 0)),
            2 => {
                let length = varint(&mut self.left)?;
                let length = usize::try_from(length).map_err(|_too_long| CUT_OFF)?;
                Ok(Field::Bytes(number, take(&mut self.left, length)?))
            }
            5 => take(&mut self.left, 4).map(|_| Field::Number(number, 0)),
            _ => Err(CUT_OFF),
        }
    }
}

impl<'m> Iterator for Message<'m> {
    type Item = Result<Field<'m>, GraphError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.left = &[];
        }
        Some(field)
    }
}

/// Bytes that must be text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, GraphError> {
    std::str::from_utf8(bytes)
        .map_err(|_not_text| GraphError::Malformed("a name in it is not text"))
}

/// Packed numbers.
pub(super) fn numbers(mut packed: &[u8], into: &mut Vec<u64>) -> Result<(), GraphError> {
    while !packed.is_empty() {
        into.push(varint(&mut packed)?);
    }
    Ok(())
}

fn varint(left: &mut &[u8]) -> Result<u64, GraphError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = left.split_first().ok_or(CUT_OFF)?;
        *left = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(CUT_OFF)
}

fn take<'m>(left: &mut &'m [u8], length: usize) -> Result<&'m [u8], GraphError> {
    let (taken, rest) = left.split_at_checked(length).ok_or(CUT_OFF)?;
    *left = rest;
    Ok(taken)
}
