//! Conditions from anyone: compiled or refused, and reasoned about, without a panic and within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use router_policy::{Boundary, Policy, Proof};

fuzz_target!(|text: &str| {
    match Policy::open().prove(text, Boundary::Device) {
        Ok(Proof::Refuted(facts)) => {
            // What is said to satisfy the condition is facts that can be decided on.
            let _ = facts;
        }
        Ok(Proof::Proved | Proof::Unknown) => {}
        Err(wrong) => drop(wrong.to_string()),
    }
});
