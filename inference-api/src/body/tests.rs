//! Tests of the bounds on bodies.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;

use super::read;
use crate::error::{ErrorKind, InferenceError};

const TIME: Duration = Duration::from_secs(5);

async fn read_at_most(max_bytes: usize, body: Body) -> Result<Bytes, InferenceError> {
    read(&HeaderMap::new(), body, max_bytes, TIME).await
}

fn chunks(count: usize, size: usize) -> Body {
    let chunk = Bytes::from(vec![b'x'; size]);
    let chunks = std::iter::repeat_n(chunk, count).map(Ok::<_, std::io::Error>);
    Body::from_stream(stream::iter(chunks))
}

#[tokio::test]
async fn a_body_within_the_bound_is_read_whole() {
    for body in [Body::from("x".repeat(12)), chunks(1, 12), chunks(4, 3)] {
        assert_eq!(read_at_most(12, body).await.unwrap(), "x".repeat(12));
    }
    assert_eq!(read_at_most(12, Body::empty()).await.unwrap(), "");
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused() {
    for body in [Body::from("x".repeat(13)), chunks(1, 13), chunks(5, 3)] {
        let error = read_at_most(12, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestTooLarge);
    }
}

#[tokio::test]
async fn a_hundred_megabytes_without_a_length_are_refused_after_the_bound() {
    let error = read_at_most(8 << 20, chunks(100, 1 << 20))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up() {
    let stalled = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let error = read_at_most(12, stalled).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = Err::<Bytes, _>(std::io::Error::other("gone"));
    let error = read_at_most(12, Body::from_stream(stream::iter([broken]))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", "gzip".parse().unwrap());
    let error = read(&headers, Body::from("x"), 12, TIME).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
