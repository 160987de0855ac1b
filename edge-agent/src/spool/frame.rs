//! How one outcome lies in a segment: length, checksum, sequence number, bytes.
//!
//! Pure: bytes in, bytes out. Its invariant: a frame that was cut short or changed is never
//! mistaken for a whole one.

/// Bytes before the payload: length and checksum in four each, sequence in eight, little-endian.
pub(super) const HEADER: usize = 16;

/// The longest payload. A decision with its table is a few kilobytes.
pub(super) const MAX_PAYLOAD: usize = 256 * 1024;

/// What stands at some place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A whole frame, and how many bytes it takes.
    Whole {
        sequence: u64,
        payload: &'a [u8],
        size: usize,
    },
    /// The bytes end before the frame does; at the very end of a segment this is a torn tail.
    Cut,
    /// The checksum or the length is wrong.
    Damaged,
}

/// Appends a frame to `out`. The payload is at most [`MAX_PAYLOAD`] long.
pub(super) fn write(out: &mut Vec<u8>, sequence: u64, payload: &[u8]) {
    debug_assert!(
        payload.len() <= MAX_PAYLOAD,
        "checked by the spool before it writes"
    );
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(length, sequence, payload).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Reads the frame at the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Frame<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Frame::Cut;
    };
    let Some((sum, rest)) = rest.split_first_chunk::<4>() else {
        return Frame::Cut;
    };
    let Some((sequence, rest)) = rest.split_first_chunk::<8>() else {
        return Frame::Cut;
    };
    let (length, sequence) = (u32::from_le_bytes(*length), u64::from_le_bytes(*sequence));
    let Ok(size) = usize::try_from(length) else {
        return Frame::Damaged;
    };
    if size > MAX_PAYLOAD {
        return Frame::Damaged;
    }
    let Some(payload) = rest.get(..size) else {
        return Frame::Cut;
    };
    if checksum(length, sequence, payload) != u32::from_le_bytes(*sum) {
        return Frame::Damaged;
    }
    Frame::Whole {
        sequence,
        payload,
        size: HEADER + size,
    }
}

fn checksum(length: u32, sequence: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&sequence.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::{Frame, read, write};

    fn framed() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, 7, b"outcome");
        bytes
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let bytes = framed();
        let whole = Frame::Whole {
            sequence: 7,
            payload: b"outcome",
            size: bytes.len(),
        };
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn a_frame_cut_anywhere_is_cut() {
        let bytes = framed();
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), Frame::Cut, "{length} bytes");
        }
    }

    #[test]
    fn a_frame_with_any_bit_changed_is_not_whole() {
        let bytes = framed();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(read(&changed), Frame::Whole { .. }), "bit {bit}");
        }
    }

    #[test]
    fn zeros_left_by_a_file_system_are_not_a_frame() {
        assert_eq!(read(&[0; 64]), Frame::Damaged);
    }
}
