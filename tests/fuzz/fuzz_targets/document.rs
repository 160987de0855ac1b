//! Policy documents from anyone: read, linked, looked over, tried and decided by, without a panic and
//! within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use router_policy::{Source, read_request, review, run_tests};

fuzz_target!(|text: &str| {
    let source = Source { name: "fuzz", text };
    let (policy, found) = review(&[source], None);
    let _ = found.to_string();
    let _ = run_tests(&[source]);
    let request = read_request("fuzz", text);
    if let (Some(policy), Ok(request)) = (policy, request.or_else(|_| read_request("none", "facts: {}"))) {
        let decision = policy.replay(&request);
        assert_eq!(decision, policy.replay(&decision.record()));
        let _ = router_policy::explain(&decision);
    }
});
