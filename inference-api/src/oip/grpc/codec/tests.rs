//! Tests of the counting before the reading.

use proptest::prelude::*;
use prost::Message;
use tideline_proto::inference::model_infer_request::InferInputTensor;
use tideline_proto::inference::{InferTensorContents, ModelInferRequest};

use super::{MAX_FIELDS, count};

fn check(message: &[u8], expected: Result<(), &str>) {
    let counted = count(message, 3);
    let counted = counted.as_ref().copied().map_err(|error| error.message());
    assert_eq!(counted, expected);
}

fn call(tensors: usize, strings: usize) -> Vec<u8> {
    let contents = InferTensorContents {
        bytes_contents: vec!["".into(); strings],
        ..InferTensorContents::default()
    };
    let input = InferInputTensor {
        contents: Some(contents),
        ..InferInputTensor::default()
    };
    let call = ModelInferRequest {
        inputs: vec![input; tensors],
        ..ModelInferRequest::default()
    };
    call.encode_to_vec()
}

#[test]
fn a_call_within_the_bounds_is_let_through() {
    check(&call(3, 1000), Ok(()));
    check(&[], Ok(()));
}

#[test]
fn empty_messages_by_the_million_are_refused_unread() {
    let many = Err("more than 3 tensors, the most taken here");
    check(&[0x2a, 0].repeat(4), many);
    check(&[0x2a, 0].repeat(1 << 20), many);
    check(&[0x32, 0].repeat(1 << 20), many);
    check(&[0x3a, 0].repeat(1 << 20), many);
    let values = Err("too many values one by one: send them as raw_input_contents");
    check(&call(1, MAX_FIELDS), values);
    check(&[0x22, 0].repeat(MAX_FIELDS + 1), values);
}

#[test]
fn what_is_not_protobuf_is_left_to_the_decoder() {
    check(&[0xff; 100], Ok(()));
    check(&[0x2a, 0xff, 0xff, 0xff, 0xff, 0x7f], Ok(()));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _counted = count(&bytes, 3);
    }
}
