//! The gateway as its callers meet it, over real sockets: who may call, what is refused, what is kept,
//! and how it ends. No models: what runs them is tested where it is, and end to end.

mod access;
mod control;
mod execute;
mod limits;
mod outcomes;
mod running;
mod stop;
