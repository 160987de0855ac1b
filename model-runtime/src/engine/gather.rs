//! What is run together: the job that waited longest, and others of like lengths.
//!
//! Texts in one batch are padded to the longest, so a short one beside a long one costs as much as the
//! long one. A batch is therefore bounded by its padded size, and joins only lengths within twice each
//! other.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Job, RunError, Work};

/// Most texts in one run: beyond it nothing is gained, and those behind wait longer.
const MOST_TEXTS: usize = 16;
/// Most tokens in one run, padding included, unless one text alone has more.
const MOST_TOKENS: usize = 512;
/// Lengths that are joined whatever their proportion.
const SHORT: usize = 16;

/// The lengths in a batch so far.
#[derive(Clone, Copy)]
struct Shape {
    texts: usize,
    shortest: usize,
    longest: usize,
}

/// Takes the next jobs to run together, about `share` of those that wait; drops what nobody wants any
/// more. Empty when nothing is left.
pub(super) fn take(waiting: &mut VecDeque<Job>, share: usize, now: Instant) -> Vec<Job> {
    let mut taken: Vec<Job> = Vec::new();
    let mut shape: Option<Shape> = None;
    let mut left = VecDeque::new();
    while let Some(job) = waiting.pop_front() {
        if !job.is_wanted() {
            continue;
        }
        if job.deadline <= now {
            job.fail(RunError::DeadlineExceeded);
            continue;
        }
        match (shape_of(&job), shape) {
            (None, None) => {
                // Tensors run alone.
                taken.push(job);
                break;
            }
            (Some(first), None) => {
                shape = Some(first);
                taken.push(job);
            }
            (Some(next), Some(so_far)) if taken.len() < share => match join(so_far, next) {
                Some(joined) => {
                    shape = Some(joined);
                    taken.push(job);
                }
                None => left.push_back(job),
            },
            (Some(_) | None, Some(_)) => left.push_back(job),
        }
        if taken.len() >= share {
            break;
        }
    }
    // What was passed over goes back in front, in its order.
    left.append(waiting);
    *waiting = left;
    taken
}

fn shape_of(job: &Job) -> Option<Shape> {
    let Work::Embed(texts, _) = &job.work else {
        return None;
    };
    let lengths = || texts.iter().map(|text| text.len());
    Some(Shape {
        texts: texts.len(),
        shortest: lengths().min()?,
        longest: lengths().max()?,
    })
}

fn join(a: Shape, b: Shape) -> Option<Shape> {
    let joined = Shape {
        texts: a.texts + b.texts,
        shortest: a.shortest.min(b.shortest),
        longest: a.longest.max(b.longest),
    };
    let alike = joined.longest <= (joined.shortest * 2).max(SHORT);
    let small = joined.texts <= MOST_TEXTS && joined.texts * joined.longest <= MOST_TOKENS;
    (alike && small).then_some(joined)
}

/// Cuts one caller's texts into runs by the same bounds; gives the texts' places, run by run.
pub(crate) fn runs(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut places: Vec<usize> = (0..lengths.len()).collect();
    places.sort_by_key(|&place| lengths[place]);
    let mut runs: Vec<(Shape, Vec<usize>)> = Vec::new();
    for place in places {
        let one = Shape {
            texts: 1,
            shortest: lengths[place],
            longest: lengths[place],
        };
        let joined = runs.last().and_then(|(shape, _)| join(*shape, one));
        match (runs.last_mut(), joined) {
            (Some((shape, run)), Some(joined)) => {
                *shape = joined;
                run.push(place);
            }
            _ => runs.push((one, vec![place])),
        }
    }
    runs.into_iter().map(|(_, run)| run).collect()
}

#[cfg(test)]
mod tests;
