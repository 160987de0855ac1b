//! Tests of tensors' checks.

use bytes::Bytes;
use proptest::prelude::*;

use super::{DataType, Tensor, TensorError};

fn check(
    datatype: DataType,
    shape: &[i64],
    data: &'static [u8],
    expected: Result<(), TensorError>,
) {
    let tensor = Tensor::new("x", datatype, shape.to_vec(), Bytes::from_static(data));
    assert_eq!(tensor.map(|_| ()), expected, "{datatype} {shape:?}");
}

#[test]
fn bytes_must_be_as_many_as_the_shape_says() {
    let wrong = |expected, actual| Err(TensorError::WrongSize { expected, actual });
    check(DataType::Fp32, &[2], &[0; 8], Ok(()));
    check(DataType::Fp16, &[2, 2], &[0; 8], Ok(()));
    check(DataType::Int64, &[], &[0; 8], Ok(()));
    check(DataType::Fp32, &[0, 9], &[], Ok(()));
    check(DataType::Fp32, &[2], &[0; 7], wrong(8, 7));
    check(DataType::Fp32, &[2], &[0; 9], wrong(8, 9));
}

#[test]
fn shapes_that_overflow_are_refused_before_anything_is_allocated() {
    check(
        DataType::Fp32,
        &[i64::MAX, 2],
        &[],
        Err(TensorError::TooLarge),
    );
    check(DataType::Fp64, &[i64::MAX], &[], Err(TensorError::TooLarge));
    check(
        DataType::Bytes,
        &[i64::MAX, 4],
        &[],
        Err(TensorError::TooLarge),
    );
    let short = TensorError::WrongCount {
        expected: usize::try_from(i64::MAX).unwrap(),
        actual: 0,
    };
    check(DataType::Bytes, &[i64::MAX], &[], Err(short));
}

#[test]
fn dimensions_must_be_few_and_not_negative() {
    let dimension = -1;
    check(
        DataType::Fp32,
        &[-1],
        &[],
        Err(TensorError::Negative { dimension }),
    );
    let count = 17;
    check(
        DataType::Fp32,
        &[1; 17],
        &[0; 4],
        Err(TensorError::TooManyDimensions { count }),
    );
}

#[test]
fn strings_must_add_up_to_the_data() {
    let two = b"\x02\0\0\0hi\0\0\0\0";
    check(DataType::Bytes, &[2], two, Ok(()));
    let (expected, actual) = (1, 2);
    check(
        DataType::Bytes,
        &[1],
        two,
        Err(TensorError::WrongCount { expected, actual }),
    );
    check(
        DataType::Bytes,
        &[1],
        b"\x02\0\0\0hi!",
        Err(TensorError::CutOff),
    );
    let (expected, actual) = (1, 0);
    let lying = b"\xff\xff\xff\xffhi";
    check(
        DataType::Bytes,
        &[1],
        lying,
        Err(TensorError::WrongCount { expected, actual }),
    );
}

#[test]
fn strings_are_read_back_as_they_were() {
    let data = Bytes::from_static(b"\x02\0\0\0hi\0\0\0\0");
    let tensor = Tensor::new("x", DataType::Bytes, vec![2], data).unwrap();
    assert_eq!(tensor.strings().collect::<Vec<_>>(), ["hi", ""]);
}

#[test]
fn debug_shows_no_values() {
    let data = Bytes::from_static(b"\x06\0\0\0secret");
    let tensor = Tensor::new("x", DataType::Bytes, vec![1], data).unwrap();
    assert_eq!(format!("{tensor:?}"), r#"Tensor("x" BYTES [1], 10 bytes)"#);
}

#[test]
fn every_type_is_found_by_its_name() {
    for datatype in DataType::ALL {
        assert_eq!(DataType::parse(datatype.name()), Some(datatype));
    }
    assert_eq!(DataType::parse("FLOAT"), None);
}

proptest! {
    #[test]
    fn no_shape_and_bytes_make_it_panic(
        which in 0..DataType::ALL.len(),
        shape in prop::collection::vec(any::<i64>(), 0..4),
        data in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let tensor = Tensor::new("x", DataType::ALL[which], shape, data.into());
        if let Ok(tensor) = tensor {
            let _all = tensor.strings().count();
        }
    }
}
