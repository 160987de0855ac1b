//! Tests of typed contents.

use tideline_proto::inference::InferTensorContents;

use super::to_bytes;
use crate::tensor::DataType;

fn check(datatype: DataType, contents: InferTensorContents, expected: Option<&[u8]>) {
    let bytes = to_bytes(datatype, contents);
    assert_eq!(bytes.ok().as_deref(), expected, "{datatype}");
}

fn ints(values: &[i32]) -> InferTensorContents {
    InferTensorContents {
        int_contents: values.to_vec(),
        ..InferTensorContents::default()
    }
}

fn uints(values: &[u32]) -> InferTensorContents {
    InferTensorContents {
        uint_contents: values.to_vec(),
        ..InferTensorContents::default()
    }
}

#[test]
fn values_become_little_endian_bytes_of_their_width() {
    check(DataType::Int8, ints(&[-1, 2]), Some(&[0xff, 2]));
    check(DataType::Int16, ints(&[-2]), Some(&[0xfe, 0xff]));
    check(DataType::Int32, ints(&[1]), Some(&[1, 0, 0, 0]));
    check(DataType::Uint8, uints(&[255]), Some(&[255]));
    check(DataType::Uint16, uints(&[258]), Some(&[2, 1]));
    let bools = InferTensorContents {
        bool_contents: vec![true, false],
        ..InferTensorContents::default()
    };
    check(DataType::Bool, bools, Some(&[1, 0]));
    let strings = InferTensorContents {
        bytes_contents: vec!["hi".into(), "".into()],
        ..InferTensorContents::default()
    };
    check(DataType::Bytes, strings, Some(b"\x02\0\0\0hi\0\0\0\0"));
}

#[test]
fn values_out_of_range_are_refused() {
    check(DataType::Int8, ints(&[128]), None);
    check(DataType::Int16, ints(&[-32_769]), None);
    check(DataType::Uint8, uints(&[256]), None);
    check(DataType::Uint16, uints(&[65_536]), None);
}

#[test]
fn contents_of_another_type_are_refused() {
    check(DataType::Fp32, ints(&[1]), None);
    check(DataType::Fp16, InferTensorContents::default(), None);
    let mut both = ints(&[1]);
    both.bool_contents = vec![true];
    check(DataType::Int32, both, None);
}
