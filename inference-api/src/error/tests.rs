//! Tests of the table of errors.

use std::collections::HashSet;

use super::{ErrorKind, InferenceError};

#[test]
fn every_kind_stands_in_the_row_that_it_reads() {
    for kind in ErrorKind::all() {
        assert_eq!(ErrorKind::from_code(kind.code()), Some(kind));
    }
    let codes: HashSet<_> = ErrorKind::all().map(ErrorKind::code).collect();
    assert_eq!(codes.len(), ErrorKind::all().count());
}

#[test]
fn every_status_tells_of_an_error() {
    for kind in ErrorKind::all() {
        let status = kind.http();
        assert!(
            status.is_client_error() || status.is_server_error(),
            "{kind:?}"
        );
        assert_ne!(kind.grpc(), tonic::Code::Ok, "{kind:?}");
    }
}

#[test]
fn the_codes_that_clients_know_have_their_statuses() {
    let status = |code| ErrorKind::from_code(code).unwrap().http().as_u16();
    assert_eq!(status("policy_denied"), 403);
    assert_eq!(status("budget_exceeded"), 429);
    assert_eq!(status("no_eligible_route"), 503);
    assert_eq!(status("model_not_found"), 404);
    assert_eq!(status("context_length_exceeded"), 400);
    assert_eq!(status("request_too_large"), 413);
}

#[test]
fn the_caller_sees_one_message_and_the_log_both() {
    let error = InferenceError::internal().with_log("disk full");
    assert_eq!(error.to_string(), error.message());
    assert!(!error.to_string().contains("disk full"));
    assert!(error.log().ends_with(": disk full"));
}

#[test]
fn a_result_pays_one_pointer_for_its_error() {
    let size = size_of::<Result<(), InferenceError>>();
    assert_eq!(size, size_of::<usize>());
}
