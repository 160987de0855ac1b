//! ONNX Runtime's own values over memory of ours, and a run over them.
//!
//! A cache that stays in place is read and written by the same run: what goes in as the past and what
//! comes out as the present are one value. The safe interface knows no such thing, so this file speaks
//! to the C interface. Nothing here is shared between threads.
#![expect(
    unsafe_code,
    reason = "a cache in place is input and output of one run, which only the C interface can say"
)]

use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use ort::AsPointer as _;
use ort::session::Session;
use ort::sys;

use crate::engine::RunError;

/// The types that a decoder's values have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Int64,
    Fp32,
    Fp16,
}

impl Element {
    pub(super) const fn size_bytes(self) -> usize {
        match self {
            Self::Int64 => 8,
            Self::Fp32 => 4,
            Self::Fp16 => 2,
        }
    }

    const fn onnx(self) -> sys::ONNXTensorElementDataType {
        match self {
            Self::Int64 => sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
            Self::Fp32 => sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
            Self::Fp16 => sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        }
    }
}

/// Zeroed memory, aligned for every element and for vector instructions. The system gives pages only
/// once they are touched.
pub(super) struct Memory {
    data: NonNull<u8>,
    bytes: usize,
    /// As it was allocated, before it was aligned.
    start: NonNull<u8>,
    layout: std::alloc::Layout,
    /// One thread's own: runs write through values that point here.
    _not_shared: PhantomData<Rc<()>>,
}

impl Memory {
    const ALIGNMENT: usize = 64;

    pub(super) fn new(bytes: usize) -> Option<Rc<Self>> {
        // With a wider alignment than the system's own, zeroing would touch every page.
        let all = bytes.checked_add(Self::ALIGNMENT)?;
        let layout = std::alloc::Layout::from_size_align(all, align_of::<u128>()).ok()?;
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })?;
        let skipped = start.align_offset(Self::ALIGNMENT);
        // SAFETY: fewer bytes are skipped than were added.
        let data = unsafe { start.add(skipped) };
        Some(Rc::new(Self {
            data,
            bytes,
            start,
            layout,
            _not_shared: PhantomData,
        }))
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies `bytes` from one place to another; they may overlap.
    pub(super) fn copy(&self, from: usize, to: usize, bytes: usize) {
        assert!(from + bytes <= self.bytes() && to + bytes <= self.bytes());
        // SAFETY: both places lie within the memory, and no run is under way: runs are on this thread.
        unsafe {
            ptr::copy(
                self.data.add(from).as_ptr(),
                self.data.add(to).as_ptr(),
                bytes,
            )
        };
    }

    /// Exchanges the bytes of two places that do not overlap.
    pub(super) fn swap(&self, a: usize, b: usize, bytes: usize) {
        assert!(a + bytes <= self.bytes() && b + bytes <= self.bytes() && a.abs_diff(b) >= bytes);
        // SAFETY: both places lie within the memory and apart from each other; no run is under way.
        unsafe {
            ptr::swap_nonoverlapping(self.data.add(a).as_ptr(), self.data.add(b).as_ptr(), bytes);
        }
    }

    /// Copies from another memory.
    pub(super) fn copy_from(&self, other: &Self, from: usize, to: usize, bytes: usize) {
        assert!(from + bytes <= other.bytes() && to + bytes <= self.bytes());
        // SAFETY: both places lie within their memories, which are two allocations.
        unsafe {
            ptr::copy_nonoverlapping(
                other.data.add(from).as_ptr(),
                self.data.add(to).as_ptr(),
                bytes,
            );
        }
    }

    /// Writes integers to the start.
    pub(super) fn write(&self, values: &[i64]) {
        assert!(size_of_val(values) <= self.bytes());
        // SAFETY: they fit, the memory is aligned for them, and no run is under way.
        unsafe {
            ptr::copy_nonoverlapping(values.as_ptr(), self.data.cast().as_ptr(), values.len());
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and every value over it has been released: each keeps it
        // alive.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// A tensor as ONNX Runtime has it: over memory of ours, or its own.
pub(super) struct Value {
    value: NonNull<sys::OrtValue>,
    /// What it lies over, kept alive; `None` when the memory is ONNX Runtime's.
    memory: Option<Rc<Memory>>,
    _not_shared: PhantomData<Rc<()>>,
}

impl Value {
    /// A tensor over a part of `memory`, from byte `offset` on.
    pub(super) fn over(
        memory: &Rc<Memory>,
        offset: usize,
        element: Element,
        shape: &[usize],
    ) -> Result<Self, RunError> {
        let bytes = shape.iter().product::<usize>() * element.size_bytes();
        assert!(offset + bytes <= memory.bytes() && offset.is_multiple_of(element.size_bytes()));
        let dims: Vec<i64> = shape
            .iter()
            .map(|dim| i64::try_from(*dim).unwrap_or(i64::MAX))
            .collect();
        let api = ort::api();
        let mut info = ptr::null_mut();
        // SAFETY: the place is ours to write.
        checked(unsafe {
            (api.CreateCpuMemoryInfo)(
                sys::OrtAllocatorType::OrtDeviceAllocator,
                sys::OrtMemType::OrtMemTypeDefault,
                &raw mut info,
            )
        })?;
        let mut value = ptr::null_mut();
        // SAFETY: the part lies within the memory, which the value keeps alive; `dims` lives through
        // the call, which copies it and `info`.
        let made = checked(unsafe {
            (api.CreateTensorWithDataAsOrtValue)(
                info,
                memory.data.add(offset).as_ptr().cast(),
                bytes,
                dims.as_ptr(),
                dims.len(),
                element.onnx(),
                &raw mut value,
            )
        });
        // SAFETY: made above, and used no more.
        unsafe { (api.ReleaseMemoryInfo)(info) };
        made?;
        Ok(Self {
            value: NonNull::new(value).ok_or(RunError::Output)?,
            memory: Some(memory.clone()),
            _not_shared: PhantomData,
        })
    }

    /// A tensor of these integers.
    pub(super) fn integers(values: &[i64], shape: &[usize]) -> Result<Self, RunError> {
        let memory = Memory::new(size_of_val(values)).ok_or_else(out_of_memory)?;
        memory.write(values);
        Self::over(&memory, 0, Element::Int64, shape)
    }

    /// An empty tensor, for a past that is none.
    pub(super) fn empty(element: Element, shape: &[usize]) -> Result<Self, RunError> {
        let memory = Memory::new(0).ok_or_else(out_of_memory)?;
        Self::over(&memory, 0, element, shape)
    }

    /// The `total` values of a tensor of 32-bit floats that a run made.
    pub(super) fn floats(&self, total: usize) -> Result<&[f32], RunError> {
        assert!(
            self.memory.is_none(),
            "what lies in shared memory is not lent"
        );
        let api = ort::api();
        let mut info = ptr::null_mut();
        // SAFETY: the value is alive and the place is ours.
        checked(unsafe { (api.GetTensorTypeAndShape)(self.value.as_ptr(), &raw mut info) })?;
        let mut count = 0;
        let mut element = sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        // SAFETY: `info` was given just now and is released below; the places are ours.
        let told = checked(unsafe { (api.GetTensorShapeElementCount)(info, &raw mut count) })
            .and_then(|()| {
                // SAFETY: as above.
                checked(unsafe { (api.GetTensorElementType)(info, &raw mut element) })
            });
        // SAFETY: used no more.
        unsafe { (api.ReleaseTensorTypeAndShapeInfo)(info) };
        told?;
        if count != total || element != Element::Fp32.onnx() {
            return Err(RunError::Output);
        }
        let mut data = ptr::null_mut();
        // SAFETY: the value is alive and the place is ours.
        checked(unsafe { (api.GetTensorMutableData)(self.value.as_ptr(), &raw mut data) })?;
        if data.is_null() {
            return Err(RunError::Output);
        }
        // SAFETY: ONNX Runtime made this tensor and holds `count` floats there while it lives; only a
        // run that is given it as an output writes them, and outputs lie in memory of ours.
        Ok(unsafe { std::slice::from_raw_parts(data.cast::<f32>(), count) })
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: ours, and used no more.
        unsafe { (ort::api().ReleaseValue)(self.value.as_ptr()) };
    }
}

/// What a run does with an output.
pub(super) enum Output<'v> {
    /// Writes it in place.
    Into(&'v Value),
    /// Makes it.
    Made,
}

/// A session, called with names that were prepared once.
pub(super) struct Runner {
    session: Session,
    inputs: Vec<CString>,
    outputs: Vec<CString>,
}

impl Runner {
    /// A runner that passes values by these names, in this order.
    pub(super) fn new(
        session: Session,
        inputs: &[String],
        outputs: &[String],
    ) -> Result<Self, RunError> {
        let names = |names: &[String]| {
            let names = names.iter().map(|name| CString::new(name.as_str()));
            names
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_zero| RunError::Output)
        };
        Ok(Self {
            session,
            inputs: names(inputs)?,
            outputs: names(outputs)?,
        })
    }

    /// Runs the model. What it makes comes back, in the order of the outputs.
    pub(super) fn run(
        &mut self,
        inputs: &[&Value],
        outputs: &[Output<'_>],
    ) -> Result<Vec<Value>, RunError> {
        assert!(inputs.len() == self.inputs.len() && outputs.len() == self.outputs.len());
        let input_names: Vec<_> = self.inputs.iter().map(|name| name.as_ptr()).collect();
        let output_names: Vec<_> = self.outputs.iter().map(|name| name.as_ptr()).collect();
        let given: Vec<*const sys::OrtValue> = inputs
            .iter()
            .map(|value| value.value.as_ptr().cast_const())
            .collect();
        let mut results: Vec<*mut sys::OrtValue> = outputs
            .iter()
            .map(|output| match output {
                Output::Into(value) => value.value.as_ptr(),
                Output::Made => ptr::null_mut(),
            })
            .collect();
        // SAFETY: the session, names and values live through the call and are as many as is said. A
        // value that is input and output at once lies over memory that only this thread touches.
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr_mut(),
                ptr::null(),
                input_names.as_ptr(),
                given.as_ptr(),
                given.len(),
                output_names.as_ptr(),
                results.len(),
                results.as_mut_ptr(),
            )
        };
        let ran = checked(status);
        let mut made = Vec::new();
        for (output, result) in outputs.iter().zip(results) {
            if matches!(output, Output::Made)
                && let Some(value) = NonNull::new(result)
            {
                made.push(Value {
                    value,
                    memory: None,
                    _not_shared: PhantomData,
                });
            }
        }
        ran?;
        Ok(made)
    }
}

pub(super) fn out_of_memory() -> RunError {
    RunError::Runtime("there is not enough memory".into())
}

/// An error for a status that tells of one; the status is released.
fn checked(status: sys::OrtStatusPtr) -> Result<(), RunError> {
    if status.0.is_null() {
        return Ok(());
    }
    let api = ort::api();
    // SAFETY: the status came from ONNX Runtime just now; its message lives as long as it.
    let message = unsafe { std::ffi::CStr::from_ptr((api.GetErrorMessage)(status.0)) };
    let message = message.to_string_lossy();
    let first = message.lines().next().unwrap_or_default();
    let error = RunError::Runtime(first.chars().take(300).collect());
    // SAFETY: used no more.
    unsafe { (api.ReleaseStatus)(status.0) };
    Err(error)
}
