//! Proofs about the agent as a whole.
