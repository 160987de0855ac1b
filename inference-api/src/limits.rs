//! Every bound of the front: what callers may send and how long they may take.
//!
//! All are set on purpose; none is left to a library's default.

use std::time::Duration;

/// Bounds on connections, requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at a time; further ones wait to be accepted. 1,024.
    pub max_connections: usize,
    /// Bytes of a request's head: all its headers together. 32 KiB; at least
    /// 8 KiB over HTTP/1.
    pub max_header_bytes: u32,
    /// Headers of a request over HTTP/1. 100.
    pub max_headers: usize,
    /// Time in which a connection must say which protocol it speaks, and in
    /// which a head must arrive over HTTP/1; also how long such a connection
    /// may lie idle. 30 s.
    pub header_timeout: Duration,
    /// Bytes of a JSON body, or of the JSON before binary tensors. 8 MiB.
    pub max_body_bytes: usize,
    /// Bytes of a gRPC message or of a body with binary tensors. 64 MiB.
    pub max_tensor_bytes: usize,
    /// Time in which a body must arrive. 60 s.
    pub body_timeout: Duration,
    /// Requests under way on one HTTP/2 connection. 256.
    pub max_concurrent_streams: u32,
    /// Streams that a peer may reset before we took them up, over HTTP/2;
    /// past it, the connection is closed. 20.
    pub max_pending_resets: usize,
    /// How often a quiet HTTP/2 connection is asked whether it lives. 30 s.
    pub keepalive_interval: Duration,
    /// How long such an answer may take. 20 s.
    pub keepalive_timeout: Duration,
    /// Texts in one embedding request. 2,048, as OpenAI has it.
    pub max_embedding_inputs: usize,
    /// Tensors in or out of one infer request. 256.
    pub max_tensors: usize,
    /// Time for a whole request; a caller can ask for less. 120 s.
    pub request_timeout: Duration,
    /// Time that requests under way get when the server stops. 10 s.
    pub drain_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_header_bytes: 32 * 1024,
            max_headers: 100,
            header_timeout: Duration::from_secs(30),
            max_body_bytes: 8 * 1024 * 1024,
            max_tensor_bytes: 64 * 1024 * 1024,
            body_timeout: Duration::from_secs(60),
            max_concurrent_streams: 256,
            max_pending_resets: 20,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            max_embedding_inputs: 2048,
            max_tensors: 256,
            request_timeout: Duration::from_secs(120),
            drain_grace: Duration::from_secs(10),
        }
    }
}
