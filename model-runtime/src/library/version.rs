//! Versions of ONNX Runtime, and how a library is asked for its own before anything else of it runs.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::LibraryError;

/// A version of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third.
    pub patch: u16,
}

impl Version {
    /// The oldest that is accepted unless configured otherwise: before it, malformed graphs and
    /// sparse tensors could corrupt memory.
    pub const FLOOR: Self = Self {
        major: 1,
        minor: 30,
        patch: 1,
    };

    /// The version that a file's name tells, as in `libonnxruntime.so.1.31.1`.
    pub(super) fn in_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        name.split_once(".so.")?.1.parse().ok()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a version such as 1.31.1")]
pub struct NotAVersion;

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.splitn(3, '.').map(|part| {
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .map_or(part, |end| &part[..end]);
            digits.parse::<u16>().map_err(|_not_a_number| NotAVersion)
        });
        let mut next = || numbers.next().unwrap_or(Err(NotAVersion));
        Ok(Self {
            major: next()?,
            minor: next()?,
            patch: next().unwrap_or(0),
        })
    }
}

/// ONNX Runtime's entry point, as its C header has it (`onnxruntime_c_api.h`).
#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "system" fn(u32) -> *const std::ffi::c_void,
    get_version_string: unsafe extern "system" fn() -> *const c_char,
}

/// Asks the library at `path` for its version.
#[expect(
    unsafe_code,
    reason = "a library loaded by path is called through its C interface"
)]
pub(super) fn of(path: &Path) -> Result<Version, LibraryError> {
    let unusable = |reason: String| LibraryError::Unusable {
        path: path.to_path_buf(),
        reason,
    };
    // SAFETY: the path is the administrator's choice; ONNX Runtime's initialisers have no
    // requirements of their own.
    let library =
        unsafe { libloading::Library::new(path) }.map_err(|error| unusable(error.to_string()))?;
    // SAFETY: the symbol has had this type since ONNX Runtime 1.0; a file that has no such symbol is
    // an error here.
    let entry =
        unsafe { library.get::<unsafe extern "system" fn() -> *const ApiBase>(b"OrtGetApiBase\0") };
    let entry = entry.map_err(|_missing| unusable("it does not export OrtGetApiBase".into()))?;
    // SAFETY: it takes nothing and gives a pointer to a static, or null.
    let base =
        unsafe { entry().as_ref() }.ok_or_else(|| unusable("it gave no interface".into()))?;
    // SAFETY: the string is static and ends with a zero.
    let text = unsafe { CStr::from_ptr((base.get_version_string)()) };
    let text = text.to_string_lossy();
    let version = text
        .parse()
        .map_err(|error| unusable(format!("its version is {text:?}: {error}")))?;
    // It will be loaded again in a moment; closing it here would only make that slower.
    std::mem::forget(library);
    Ok(version)
}
