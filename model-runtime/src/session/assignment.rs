//! Which provider really runs which nodes: ONNX Runtime's own record, read through its C interface.
//!
//! `ort` has no safe wrapper for it yet. Every pointer belongs to the session and is only read here,
//! while the session is borrowed.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::ptr;

use ort::AsPointer;
use ort::session::Session;

use crate::model::NodeShare;

/// The share of nodes of each provider, largest first; empty when ONNX Runtime recorded nothing.
pub(super) fn shares(session: &Session) -> Vec<NodeShare> {
    let Some(counts) = counts(session) else {
        return Vec::new();
    };
    let all: usize = counts.values().sum();
    let share = |count: usize| {
        if all == 0 {
            0.0
        } else {
            count as f64 / all as f64
        }
    };
    let mut shares: Vec<_> = counts
        .into_iter()
        .map(|(provider, nodes)| NodeShare {
            provider,
            nodes,
            share: share(nodes),
        })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.nodes));
    shares
}

#[expect(
    unsafe_code,
    reason = "ONNX Runtime's record of assignments has no safe interface"
)]
fn counts(session: &Session) -> Option<BTreeMap<String, usize>> {
    let api = ort::api();
    let mut subgraphs = ptr::null();
    let mut length = 0;
    // SAFETY: the session is alive, and both places are ours to write.
    let status = unsafe {
        (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut subgraphs, &raw mut length)
    };
    if !succeeded(status) || subgraphs.is_null() {
        return None;
    }
    let mut counts = BTreeMap::new();
    for index in 0..length {
        // SAFETY: ONNX Runtime gave `length` pointers, which live as long as the session.
        let subgraph = unsafe { *subgraphs.add(index) };
        let mut name: *const c_char = ptr::null();
        let mut nodes = ptr::null();
        let mut count = 0;
        // SAFETY: the subgraph came from ONNX Runtime just now, and the place is ours to write.
        let named = unsafe { (api.EpAssignedSubgraph_GetEpName)(subgraph, &raw mut name) };
        // SAFETY: as above.
        let listed =
            unsafe { (api.EpAssignedSubgraph_GetNodes)(subgraph, &raw mut nodes, &raw mut count) };
        if !(succeeded(named) & succeeded(listed)) || name.is_null() {
            return None;
        }
        // SAFETY: names are strings that end with a zero and live as long as the session.
        let name = unsafe { CStr::from_ptr(name) }
            .to_string_lossy()
            .into_owned();
        *counts.entry(name).or_default() += count;
    }
    Some(counts)
}

/// Whether a call succeeded; releases the status otherwise.
#[expect(unsafe_code, reason = "a status is released through the C interface")]
fn succeeded(status: ort::sys::OrtStatusPtr) -> bool {
    if status.0.is_null() {
        return true;
    }
    // SAFETY: the status came from ONNX Runtime just now and is used no more.
    unsafe { (ort::api().ReleaseStatus)(status.0) };
    false
}
