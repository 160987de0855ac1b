//! Proofs about the state directory.

use super::StateDir;

#[test]
fn what_is_made_once_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(&folder.path().join("deep/er")).unwrap();
    assert_eq!(
        state.read_or_make("device-id", || "first".into()).unwrap(),
        "first"
    );
    assert_eq!(
        state.read_or_make("device-id", || "second".into()).unwrap(),
        "first"
    );
}

#[cfg(unix)]
#[test]
fn state_can_be_read_by_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(&folder.path().join("state")).unwrap();
    state.replace("token", b"secret").unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(state.path("token")), 0o600);
    assert_eq!(mode(state.path("")), 0o700);
}

#[test]
fn an_unreadable_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    std::fs::write(state.path("token"), [0xff, 0xfe]).unwrap();
    let error = state.read("token").unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read ") && error.ends_with("token"),
        "{error}"
    );
}
