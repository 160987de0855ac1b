//! Clients that others wrote, in Python.

use tokio::process::Command;

use super::paths::{root, setup};

/// Runs a script of `tests/e2e/clients`; it fails the test when the script fails.
pub(crate) async fn client(script: &str, arguments: &[&str]) -> String {
    let python = setup("venv").join("bin/python");
    let script = root().join("tests/e2e/clients").join(script);
    let ran = Command::new(python)
        .arg(script)
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (told, failed) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{told}\n{failed}");
    told.into_owned()
}
