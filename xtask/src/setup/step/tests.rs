//! A step is done once for one key, and what was interrupted was not done.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use anyhow::bail;

use super::{Folder, Key, Step};

fn step(key: &str, how: Folder) -> Step<'static> {
    Step {
        name: "a step",
        folder: "made/here",
        how,
        key: Key::of(&[key.as_bytes()]),
    }
}

/// Does the step and says whether there was work.
fn works(step: &Step<'_>, base: &Path) -> bool {
    let worked = Cell::new(false);
    let work = |folder: &Path| {
        worked.set(true);
        fs::create_dir_all(folder)?;
        Ok(fs::write(folder.join("file"), "content")?)
    };
    step.once_below(base, work).expect("the work succeeds");
    worked.get()
}

#[test]
fn a_step_is_done_once_and_again_when_its_key_changes() {
    for how in [Folder::Whole, Folder::InPlace] {
        let base = tempfile::tempdir().expect("a folder");
        assert!(works(&step("one", how), base.path()));
        assert!(!works(&step("one", how), base.path()));
        assert!(works(&step("two", how), base.path()));
        fs::remove_dir_all(base.path().join("made/here")).expect("it was made");
        assert!(
            works(&step("two", how), base.path()),
            "what it made is gone"
        );
    }
}

#[test]
fn work_that_fails_leaves_what_was_there_and_is_done_again() {
    let base = tempfile::tempdir().expect("a folder");
    assert!(works(&step("one", Folder::Whole), base.path()));
    let failed = step("two", Folder::Whole).once_below(base.path(), |folder| {
        fs::write(folder.join("half"), "")?;
        bail!("interrupted")
    });
    assert!(failed.is_err());
    assert!(base.path().join("made/here/file").exists());
    assert!(!base.path().join("made/here/half").exists());
    assert!(works(&step("two", Folder::Whole), base.path()));
}

#[test]
fn keys_differ_with_their_parts() {
    assert_ne!(Key::of(&[b"ab", b"c"]), Key::of(&[b"a", b"bc"]));
    assert_eq!(Key::of(&[b"ab", b"c"]), Key::of(&[b"ab", b"c"]));
}
