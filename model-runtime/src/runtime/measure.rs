//! How fast and how right a session is, on inputs that are the same everywhere.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::short;
use crate::embed::{Embedder, cosine};
use crate::figures::Speed;
use crate::package::Precision;
use crate::session::{Session, tensors};
use crate::tensor::Tensor;
use crate::text::Text;

/// Lengths that are measured, in tokens.
const LENGTHS: (usize, usize) = (16, 128);
/// Lengths whose outputs are golden.
const GOLDEN: [usize; 2] = [9, 48];
/// Runs before anything counts.
const WARM_UP: usize = 3;
/// Bounds of one measurement.
const MOST_RUNS: usize = 25;
const LONGEST: Duration = Duration::from_millis(250);

/// What a session is fed for measuring.
pub(super) struct Bench<'b> {
    pub(super) embedder: Option<&'b Embedder>,
    pub(super) text: Option<&'b Text>,
}

impl Bench<'_> {
    /// What the session makes of the golden inputs; nothing for models that take tensors, whose inputs
    /// nobody can guess.
    pub(super) fn outputs(&self, session: &mut Session) -> Result<Vec<Vec<f32>>, String> {
        let (Some(embedder), Some(text)) = (self.embedder, self.text) else {
            return Ok(Vec::new());
        };
        let run = |length| {
            let mut vectors = embedder
                .run(session, &[&text.sample(length)])
                .map_err(|error| error.to_string())?;
            vectors.pop().ok_or_else(|| "it gave no vector".to_owned())
        };
        GOLDEN.into_iter().map(run).collect()
    }

    /// Measures the session.
    pub(super) fn speed(&self, session: &mut Session) -> Result<Speed, String> {
        let (Some(embedder), Some(text)) = (self.embedder, self.text) else {
            return Ok(tensor_speed(session));
        };
        let mut at = |length: usize| {
            let sample = text.sample(length);
            let taken = median(|| {
                embedder
                    .run(session, &[&sample])
                    .map(drop)
                    .map_err(|error| error.to_string())
            })?;
            Ok::<_, String>((sample.len(), taken))
        };
        let (short, long) = (at(LENGTHS.0)?, at(LENGTHS.1)?);
        Ok(Speed::through(short, long))
    }
}

/// The least cosine between outputs and what they should be.
///
/// # Errors
/// When it is less than the precision allows: then the provider computes something else.
pub(super) fn compare(
    outputs: &[Vec<f32>],
    golden: &[Vec<f32>],
    precision: Precision,
) -> Result<f64, String> {
    let least = match precision {
        Precision::Fp32 => 0.9999,
        Precision::Fp16 => 0.999,
        // Integer kernels round differently from one processor to the next.
        Precision::Int8 | Precision::Int4 => 0.98,
    };
    if outputs.len() != golden.len() {
        return Err("its outputs are not of the recorded shape".into());
    }
    let likeness = outputs
        .iter()
        .zip(golden)
        .map(|(a, b)| cosine(a, b))
        .fold(1.0, f64::min);
    if likeness < least {
        return Err(format!(
            "its outputs differ from the CPU provider's recorded ones: cosine {likeness:.4}, at least {least} is expected"
        ));
    }
    Ok(likeness)
}

/// A tensor model is run on zeros of the smallest shape that fits; one that does not take them is simply
/// not measured.
fn tensor_speed(session: &mut Session) -> Speed {
    let inputs: Option<Vec<Tensor>> = session.signature().inputs.iter().map(zeros).collect();
    let mut run = || {
        let inputs = inputs
            .as_deref()
            .ok_or_else(|| "an input has no size".to_owned())?;
        let mut fed = Vec::with_capacity(inputs.len());
        for tensor in inputs {
            fed.push((
                tensor.name(),
                tensor.as_input().map_err(|error| error.to_string())?,
            ));
        }
        session
            .run(fed, |outputs| tensors(outputs, &[]))
            .map(drop)
            .map_err(|error| short(&error))
    };
    Speed {
        fixed_seconds: median(&mut run).unwrap_or(0.0),
        per_token_seconds: 0.0,
        per_answer_token_seconds: 0.0,
    }
}

fn zeros(info: &crate::model::TensorInfo) -> Option<Tensor> {
    let shape: Vec<i64> = info
        .shape
        .iter()
        .map(|size| if *size < 0 { 1 } else { *size })
        .collect();
    let count = shape.iter().try_fold(1_usize, |n, size| {
        n.checked_mul(usize::try_from(*size).ok()?)
    })?;
    // An empty text is its length alone.
    let size = info.datatype.size_bytes().unwrap_or(4);
    let data = Bytes::from(vec![
        0;
        count
            .checked_mul(size)
            .filter(|bytes| *bytes <= 64 << 20)?
    ]);
    Tensor::new(info.name.clone(), info.datatype, shape, data).ok()
}

/// The median duration of `run`, in seconds.
fn median(mut run: impl FnMut() -> Result<(), String>) -> Result<f64, String> {
    for _ in 0..WARM_UP {
        run()?;
    }
    let begun = Instant::now();
    let mut taken = Vec::with_capacity(MOST_RUNS);
    while taken.len() < MOST_RUNS && (begun.elapsed() < LONGEST || taken.len() < 3) {
        let start = Instant::now();
        run()?;
        taken.push(start.elapsed());
    }
    taken.sort();
    Ok(taken
        .get(taken.len() / 2)
        .map_or(0.0, Duration::as_secs_f64))
}
