//! The devices that ONNX Runtime found.

use ort::environment::Environment;
use ort::memory::DeviceType;

/// One device, as one execution provider reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// What it is.
    pub kind: DeviceKind,
    /// Who made it, as the driver says.
    pub vendor: String,
    /// The vendor's own number for it.
    pub id: u32,
    /// The execution provider that reaches it, by ONNX Runtime's name.
    pub provider: String,
}

/// The kinds of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A processor.
    Cpu,
    /// A graphics processor.
    Gpu,
    /// A neural processor.
    Npu,
    /// Something else.
    Other,
}

impl DeviceKind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Npu => "npu",
            Self::Other => "other",
        }
    }
}

/// Everything that ONNX Runtime lists.
pub(crate) fn devices(environment: &Environment) -> Vec<Device> {
    let listed = environment.devices().map(|device| {
        let hardware = device.hardware_device();
        Device {
            kind: match hardware.ty() {
                DeviceType::CPU => DeviceKind::Cpu,
                DeviceType::GPU => DeviceKind::Gpu,
                DeviceType::NPU => DeviceKind::Npu,
                _ => DeviceKind::Other,
            },
            vendor: hardware.vendor().unwrap_or_default().to_owned(),
            id: hardware.id(),
            provider: device.ep().unwrap_or_default().to_owned(),
        }
    });
    listed.collect()
}
