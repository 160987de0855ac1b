//! What a hub calls a file's content by: SHA-256 for large files, git's own digest for small ones.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use model_runtime::Digest;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The digest of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oid {
    /// Of a file that git keeps elsewhere (LFS).
    Sha256(Digest),
    /// Of a git blob: SHA-1 over a head with the size, and the content.
    Git([u8; 20]),
}

impl Oid {
    /// Reads 40 or 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(digest) = Digest::parse(text) {
            return Some(Self::Sha256(digest));
        }
        Self::git(text)
    }

    /// Reads 40 hexadecimal digits.
    pub(super) fn git(text: &str) -> Option<Self> {
        if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut oid = [0; 20];
        for (byte, at) in oid.iter_mut().zip((0..40).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self::Git(oid))
    }

    /// Whether two of one kind differ; of two kinds nothing can be said.
    pub(super) fn contradicts(self, other: Self) -> bool {
        match (self, other) {
            (Self::Sha256(one), Self::Sha256(other)) => one != other,
            (Self::Git(one), Self::Git(other)) => one != other,
            (Self::Sha256(_), Self::Git(_)) | (Self::Git(_), Self::Sha256(_)) => false,
        }
    }

    /// Reads the file: its SHA-256 digest, and whether its content is the one that is meant.
    pub(super) fn check(self, path: &Path) -> io::Result<(Digest, bool)> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut sha256 = Sha256::new();
        let mut git = Sha1::new();
        git.update(format!("blob {bytes}\0"));
        let mut piece = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut piece)?;
            let read = piece.get(..read).unwrap_or_default();
            if read.is_empty() {
                break;
            }
            sha256.update(read);
            if matches!(self, Self::Git(_)) {
                git.update(read);
            }
        }
        let sha256 = Digest::from_bytes(sha256.finalize().into());
        let is_meant = match self {
            Self::Sha256(expected) => expected == sha256,
            Self::Git(expected) => expected == <[u8; 20]>::from(git.finalize()),
        };
        Ok((sha256, is_meant))
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Git(oid) => oid.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Digests that others computed.

    use super::Oid;

    fn check(oid: &str, content: &str, expected: bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let (_, is_meant) = Oid::parse(oid).unwrap().check(file.path()).unwrap();
        assert_eq!(is_meant, expected, "{oid}");
    }

    #[test]
    fn both_kinds_are_computed_as_git_and_its_large_files_do() {
        // `echo hello | git hash-object --stdin`, and sha256sum.
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        let large = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        check(git, "hello\n", true);
        check(large, "hello\n", true);
        check(git, "hello", false);
        check(large, "hello", false);
        assert_eq!(Oid::parse(git).unwrap().to_string(), git);
        assert_eq!(Oid::parse(&large.replace('5', "x")), None);
        assert_eq!(Oid::parse("../../etc/passwd"), None);
    }
}
