//! Server-sent events, as <https://html.spec.whatwg.org/multipage/server-sent-events.html> has them:
//! the data of each, and nothing else. An event that grows too large ends the stream.

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;

use super::failure;
use crate::backends::upstream::Failure;

/// Largest event, in bytes.
const MAX_EVENT: usize = 1 << 20;

/// The events of a body.
pub(super) struct Events<B> {
    body: B,
    buffer: BytesMut,
    /// The data lines of the event that is being read.
    data: Vec<u8>,
    has_data: bool,
    has_ended: bool,
}

impl<B> Events<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            data: Vec::new(),
            has_data: false,
            has_ended: false,
        }
    }

    /// The data of the next event; `None` at the end. An event that the end cuts off is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            while let Some(line) = self.line() {
                if let Some(data) = self.take(&line)? {
                    return Ok(Some(data));
                }
            }
            if self.has_ended {
                return Ok(None);
            }
            if self.buffer.len() > MAX_EVENT {
                return Err(Failure::of_address("an event of its answer is too large"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(failure::of_body(&error)),
                None => self.has_ended = true,
            }
        }
    }

    /// The next whole line, without its end: a line feed, a carriage return, or both.
    fn line(&mut self) -> Option<Bytes> {
        let end = memchr::memchr2(b'\n', b'\r', &self.buffer)?;
        let mut after = 1;
        if self.buffer.get(end) == Some(&b'\r') {
            match self.buffer.get(end + 1) {
                Some(b'\n') => after = 2,
                Some(_) => {}
                // The line feed may still come.
                None if !self.has_ended => return None,
                None => {}
            }
        }
        let line = self.buffer.split_to(end).freeze();
        self.buffer.advance(after);
        Some(line)
    }

    /// Takes a line; gives the event's data when the line ends one that has any.
    fn take(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Ok(std::mem::take(&mut self.has_data).then_some(data));
        }
        let Some(rest) = line.strip_prefix(b"data") else {
            return Ok(None);
        };
        let value = match rest.split_first() {
            None => rest,
            Some((b':', value)) => value.strip_prefix(b" ").unwrap_or(value),
            Some(_) => return Ok(None),
        };
        if self.data.len() + value.len() > MAX_EVENT {
            return Err(Failure::of_address("an event of its answer is too large"));
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    //! However the bytes are cut, the events are the same.

    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    async fn events(parts: Vec<&'static [u8]>) -> Vec<String> {
        let frames = parts
            .into_iter()
            .map(|part| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(part))));
        let mut events = Events::new(StreamBody::new(futures::stream::iter(frames)));
        let mut all = Vec::new();
        while let Some(data) = events.next().await.unwrap() {
            all.push(String::from_utf8(data).unwrap());
        }
        all
    }

    #[tokio::test]
    async fn events_are_the_same_however_their_bytes_are_cut() {
        const WHOLE: &[u8] = b": hello\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata: lines\n\nid: 1\n\ndata\n\ndata: [DONE]\n\n";
        let expected = ["one", "two\nlines", "", "[DONE]"];
        assert_eq!(events(vec![WHOLE]).await, expected);
        let single: Vec<&[u8]> = WHOLE.chunks(1).collect();
        assert_eq!(events(single).await, expected);
        for cut in 0..WHOLE.len() {
            let (one, other) = WHOLE.split_at(cut);
            assert_eq!(events(vec![one, other]).await, expected, "{cut}");
        }
    }

    #[tokio::test]
    async fn an_event_that_the_end_cuts_off_is_dropped() {
        assert_eq!(events(vec![b"data: a\n\ndata: b\n"]).await, ["a"]);
        assert_eq!(events(vec![b"data: a\r\r", b""]).await, ["a"]);
    }

    #[tokio::test]
    async fn an_event_without_end_ends_the_stream() {
        let endless = futures::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&[b'x'; 4096])))
        });
        let mut events = Events::new(StreamBody::new(endless));
        assert!(events.next().await.is_err());
    }
}
