//! Tests of the Open Inference Protocol as its clients see it.

mod grpc;
mod rest;
