//! Shapes and bytes that disagree, and those that do not.

use super::*;

fn check(datatype: DataType, shape: &[i64], data: &[u8], expected: Result<(), TensorError>) {
    let made = Tensor::new("x", datatype, shape.to_vec(), Bytes::copy_from_slice(data));
    assert_eq!(made.map(drop), expected);
}

#[test]
fn bytes_must_be_as_many_as_shape_and_type_call_for() {
    check(DataType::Fp32, &[2, 1], &[0; 8], Ok(()));
    check(DataType::Fp32, &[], &[0; 4], Ok(()));
    check(DataType::Fp32, &[0, 7], &[], Ok(()));
    let wrong = TensorError::Size {
        expected: 12,
        actual: 8,
    };
    check(DataType::Fp32, &[3], &[0; 8], Err(wrong));
    check(DataType::Fp32, &[-1], &[0; 8], Err(TensorError::Shape));
}

#[test]
fn a_shape_that_overflows_is_refused_before_anything_is_allocated() {
    check(
        DataType::Uint8,
        &[i64::MAX, i64::MAX],
        &[],
        Err(TensorError::Shape),
    );
    check(DataType::Fp64, &[i64::MAX], &[], Err(TensorError::Shape));
}

#[test]
fn texts_must_add_up_to_the_data() {
    check(DataType::Bytes, &[2], b"\x01\0\0\0a\0\0\0\0", Ok(()));
    check(
        DataType::Bytes,
        &[1],
        b"\x01\0\0\0a\0\0\0\0",
        Err(TensorError::Texts),
    );
    check(
        DataType::Bytes,
        &[1],
        b"\xff\xff\xff\xffa",
        Err(TensorError::Texts),
    );
    check(DataType::Bytes, &[1], b"\x01\0", Err(TensorError::Texts));
}

#[test]
fn debug_shows_no_content() {
    let tensor = Tensor::new(
        "x",
        DataType::Bytes,
        vec![1],
        Bytes::from_static(b"\x06\0\0\0secret"),
    )
    .unwrap();
    assert!(!format!("{tensor:?}").contains("secret"));
}
