//! One ONNX Runtime session: a variant, ready on one provider with a number of threads.
//!
//! It is owned by one thread at a time; nothing here is shared.

mod assignment;

use std::path::Path;

use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::ValueType;

use crate::library::Library;
use crate::model::{NodeShare, Signature, TensorInfo};
use crate::provider::{ProviderName, Threads};
use crate::tensor::{DataType, Tensor};

/// How long the threads of a run stay awake after it, in microseconds: long enough for the next
/// request of a caller that is alone, and nothing to a battery.
const SPIN: (&str, &str) = ("session.intra_op.spin_duration_us", "300");

/// How a session is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making {
    pub(crate) provider: ProviderName,
    /// Threads within an operator.
    pub(crate) threads: usize,
}

/// Where a session's model comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'m> {
    /// Bytes that were checked; nothing else is read.
    Memory(&'m [u8]),
    /// A checked model with data in other files beside it.
    File(&'m Path),
    /// Bytes of a checked model, whose other data lies in this folder.
    Beside(&'m [u8], &'m Path),
}

/// Where the data of a model lies that is not in its bytes.
const DATA_FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// A session.
#[derive(Debug)]
pub(crate) struct Session(OrtSession);

impl Session {
    /// Makes a session. It blocks while ONNX Runtime optimises the graph.
    pub(crate) fn open(library: &Library, source: Source<'_>, making: Making) -> ort::Result<Self> {
        let Making { provider, threads } = making;
        let register = (provider.provider().register)(Threads(threads));
        let mut builder = OrtSession::builder(library.environment())?
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(true)?
            .with_inter_op_spinning(false)?
            .with_config_entry(SPIN.0, SPIN.1)?
            .with_log_level(ort::logging::LogLevel::Fatal)?
            .with_config_entry("session.record_ep_graph_assignment_info", "1")?
            .with_execution_providers([register])?;
        let session = match source {
            Source::Memory(bytes) => builder.commit_from_memory(bytes)?,
            Source::File(path) => builder.commit_from_file(path)?,
            Source::Beside(bytes, folder) => builder
                .with_config_entry(DATA_FOLDER, folder.to_string_lossy())?
                .commit_from_memory(bytes)?,
        };
        Ok(Self(session))
    }

    /// ONNX Runtime's own session.
    pub(crate) fn into_inner(self) -> OrtSession {
        self.0
    }

    /// What goes in and what comes out.
    pub(crate) fn signature(&self) -> Signature {
        let info = |outlet: &ort::value::Outlet| {
            let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
                return None;
            };
            let datatype = DataType::of(*ty)?;
            Some(TensorInfo {
                name: outlet.name().to_owned(),
                datatype,
                shape: shape.to_vec(),
            })
        };
        Signature {
            inputs: self.0.inputs().iter().filter_map(info).collect(),
            outputs: self.0.outputs().iter().filter_map(info).collect(),
        }
    }

    /// The share of the graph's nodes that each provider runs, as ONNX Runtime recorded it.
    pub(crate) fn node_shares(&self) -> Vec<NodeShare> {
        assignment::shares(&self.0)
    }

    /// Runs the model on named inputs and hands its outputs to `read`.
    pub(crate) fn run<'i, R>(
        &mut self,
        inputs: Vec<(&'i str, SessionInputValue<'i>)>,
        read: impl FnOnce(&ort::session::SessionOutputs<'_>) -> ort::Result<R>,
    ) -> ort::Result<R> {
        let outputs = self.0.run(inputs)?;
        read(&outputs)
    }
}

/// The outputs that the protocol has types for.
pub(crate) fn tensors(
    outputs: &ort::session::SessionOutputs<'_>,
    wanted: &[String],
) -> ort::Result<Vec<Tensor>> {
    let mut tensors = Vec::with_capacity(outputs.len());
    for (name, value) in outputs {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            tensors.extend(Tensor::from_output(name, &value)?);
        }
    }
    Ok(tensors)
}
