//! Tests of JSON values, both ways.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{JsonValues, read};
use crate::tensor::{DataType, Tensor};

fn parse(json: &str, datatype: DataType, shape: &[i64]) -> Result<Vec<u8>, String> {
    let json: &RawValue = serde_json::from_str(json).map_err(|error| error.to_string())?;
    read(json, datatype, shape).map(|bytes| bytes.to_vec())
}

fn check(json: &str, datatype: DataType, shape: &[i64], expected: Result<&[u8], &str>) {
    let bytes = parse(json, datatype, shape);
    let bytes = bytes.as_deref().map_err(String::as_str);
    assert_eq!(bytes, expected, "{datatype} {json}");
}

#[test]
fn values_become_bytes_of_their_type() {
    check("[1, 258]", DataType::Uint16, &[2], Ok(&[1, 0, 2, 1]));
    check("[-1]", DataType::Int8, &[1], Ok(&[0xff]));
    check("[true, false]", DataType::Bool, &[2], Ok(&[1, 0]));
    check("[1.5]", DataType::Fp32, &[1], Ok(&1.5_f32.to_le_bytes()));
    check("[1]", DataType::Fp64, &[1], Ok(&1_f64.to_le_bytes()));
    check("[1]", DataType::Fp16, &[1], Ok(&[0x00, 0x3c]));
    check("[1]", DataType::Bf16, &[1], Ok(&[0x80, 0x3f]));
    check(
        r#"["hi", ""]"#,
        DataType::Bytes,
        &[2],
        Ok(b"\x02\0\0\0hi\0\0\0\0"),
    );
    let most = "[18446744073709551615]";
    check(most, DataType::Uint64, &[1], Ok(&[0xff; 8]));
}

#[test]
fn nested_lists_are_read_in_row_major_order() {
    check("[[1,2],[3,4]]", DataType::Int8, &[2, 2], Ok(&[1, 2, 3, 4]));
    check("[[[1]],[[2]]]", DataType::Int8, &[2, 1, 1], Ok(&[1, 2]));
}

#[test]
fn what_a_type_cannot_hold_is_refused_without_being_quoted() {
    check(
        "[128]",
        DataType::Int8,
        &[1],
        Err("data has a value that is not INT8"),
    );
    check(
        "[-1]",
        DataType::Uint64,
        &[1],
        Err("data has a value that is not UINT64"),
    );
    check(
        "[1.0]",
        DataType::Int32,
        &[1],
        Err("data has a value that is not INT32"),
    );
    check(
        "[1]",
        DataType::Bool,
        &[1],
        Err("data has a value that is not BOOL"),
    );
    check(
        "[1e39]",
        DataType::Fp32,
        &[1],
        Err("data has a value that is not FP32"),
    );
    check(
        "[70000]",
        DataType::Fp16,
        &[1],
        Err("data has a value that is not FP16"),
    );
    check(
        r#"["secret"]"#,
        DataType::Fp32,
        &[1],
        Err("data has a value that is not FP32"),
    );
    check(
        "[null]",
        DataType::Fp32,
        &[1],
        Err("data has a value that is not FP32"),
    );
    check(
        "{}",
        DataType::Fp32,
        &[1],
        Err("data has a value that is not FP32"),
    );
}

#[test]
fn reading_stops_at_the_shape_s_count() {
    let many = Err("data has more values than the shape");
    check("[1,2,3]", DataType::Int8, &[2], many);
    let too_large = Err("the shape has room for more values than can be addressed");
    check("[1]", DataType::Int8, &[i64::MAX, i64::MAX], too_large);
    check("[1]", DataType::Int8, &[i64::MAX], Ok(&[1]));
}

#[test]
fn lists_deeper_than_any_tensor_are_refused() {
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    check(
        &deep,
        DataType::Int8,
        &[1],
        Err("data has a value that is not INT8"),
    );
}

#[test]
fn what_json_has_no_number_for_is_null() {
    let data: Vec<u8> = [1.5, f32::NAN, f32::INFINITY]
        .map(f32::to_le_bytes)
        .concat();
    let tensor = Tensor::new("x", DataType::Fp32, vec![3], data.into()).unwrap();
    let json = serde_json::to_string(&JsonValues(&tensor)).unwrap();
    assert_eq!(json, "[1.5,null,null]");
}

#[test]
fn strings_that_are_not_utf_8_cannot_be_json() {
    let data = b"\x01\0\0\0\xff".as_slice();
    let tensor = Tensor::new("x", DataType::Bytes, vec![1], data.into()).unwrap();
    assert!(serde_json::to_string(&JsonValues(&tensor)).is_err());
}

proptest! {
    #[test]
    fn bytes_written_as_json_are_read_back(
        which in 0..DataType::ALL.len(),
        seed in prop::collection::vec(any::<u8>(), 8),
    ) {
        let datatype = DataType::ALL[which];
        let data: Vec<u8> = match datatype.size_bytes() {
            None => b"\x02\0\0\0hi".to_vec(),
            Some(_) if datatype == DataType::Bool => vec![seed[0] & 1],
            Some(size) => seed[..size].to_vec(),
        };
        let tensor = Tensor::new("x", datatype, vec![1], data.clone().into()).unwrap();
        let json = serde_json::to_string(&JsonValues(&tensor)).unwrap();
        if !json.contains("null") {
            prop_assert_eq!(parse(&json, datatype, &[1]), Ok(data), "{}", json);
        }
    }

    #[test]
    fn no_json_makes_it_panic(json in r#"[\[\]0-9,."a-z-]{0,40}"#, which in 0..DataType::ALL.len()) {
        if let Ok(json) = RawValue::from_string(json) {
            let _result = read(&json, DataType::ALL[which], &[4]);
        }
    }
}
