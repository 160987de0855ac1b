//! Clients that others wrote, in Python and for Node: each is a script that fails when an assertion in it does.

use tokio::process::Command;

use super::paths::{root, setup};

/// Runs a script of `tests/e2e/clients` with Python; it fails the test when the script fails.
pub(crate) async fn client(script: &str, arguments: &[&str]) -> String {
    let mut python = Command::new(setup("venv").join("bin/python"));
    python.arg(root().join("tests/e2e/clients").join(script));
    ran(python.args(arguments)).await
}

/// The same with Node, for a script of `tests/e2e/clients/node`.
pub(crate) async fn node_client(script: &str, arguments: &[&str]) -> String {
    // Node looks for packages beside the script: so the script has to lie beside the packages.
    let beside = tempfile::tempdir().unwrap();
    let (from, to) = (
        root().join("tests/e2e/clients/node").join(script),
        beside.path().join(script),
    );
    std::fs::copy(from, &to).unwrap();
    let packages = setup("node-clients/node_modules");
    std::os::unix::fs::symlink(packages, beside.path().join("node_modules")).unwrap();
    let mut node = Command::new(setup("node/bin/node"));
    ran(node.arg(to).args(arguments)).await
}

async fn ran(command: &mut Command) -> String {
    let ran = command.kill_on_drop(true).output().await.unwrap();
    let (told, failed) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{told}\n{failed}");
    told.into_owned()
}
