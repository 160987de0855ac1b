//! One file, and the same text with comments and the contents of strings blanked out, so that a
//! rule about code does not stumble over prose.

use std::ops::Range;
use std::path::Path;

/// A file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root, with forward slashes.
    pub path: String,
    /// As it stands in the file.
    pub text: String,
    /// As long as the text, byte for byte; comments and the contents of literals are spaces. The
    /// same as the text for what is not Rust.
    pub code: String,
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let code = if path.ends_with(".rs") {
            blank(&text)
        } else {
            text.clone()
        };
        Self { path, text, code }
    }

    /// Whether this is Rust that ships: no test, no helper of tests, nothing generated.
    pub(crate) fn is_product(&self) -> bool {
        let mut folders = self.path.split('/');
        self.is_rust()
            && !matches!(folders.next(), Some("tests" | "xtask"))
            && !folders.any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "examples"))
    }

    /// Whether this is Rust that people wrote.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs") && !self.path.starts_with("proto/src/gen/")
    }

    /// The file's name without its ending.
    pub(crate) fn stem(&self) -> &str {
        Path::new(&self.path)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
    }

    /// Each place, as its offset, where the code says `phrase` with no name going on at either end.
    pub(crate) fn says<'a>(&'a self, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.code
            .match_indices(phrase)
            .map(|(at, _)| at)
            .filter(move |&at| {
                let ends = at + phrase.len();
                let open = !phrase.starts_with(part) || !self.code[..at].ends_with(part);
                open && (!phrase.ends_with(part) || !self.code[ends..].starts_with(part))
            })
    }

    /// The line, from 1, in which an offset lies.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    /// The contents of the first string literal at or after an offset, as it is written.
    pub(crate) fn literal(&self, from: usize) -> Option<&str> {
        let open = from + self.code[from..].find('"')? + 1;
        let close = open + self.code[open..].find('"')?;
        Some(&self.text[open..close])
    }
}

/// The text with everything but code replaced by spaces; line breaks and quotation marks stay.
fn blank(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        let (hidden, next) = prose(text.as_bytes(), at);
        for byte in &mut code[hidden] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = next;
    }
    // Whole characters were replaced by as many spaces as they have bytes.
    String::from_utf8(code).unwrap_or_else(|_| text.to_owned())
}

/// What of the token at this offset is not code, and where the next token begins.
fn prose(text: &[u8], at: usize) -> (Range<usize>, usize) {
    let rest = &text[at..];
    if rest.starts_with(b"//") {
        let end = at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        return (at..end, end);
    }
    if rest.starts_with(b"/*") {
        let end = at + block_comment(rest);
        return (at..end, end);
    }
    if let Some((open, close)) = raw_string(text, at) {
        return (open..close, close + 1);
    }
    match rest {
        [b'"', ..] => {
            let close = at + 1 + quoted(&rest[1..], b'"');
            (at + 1..close, close + 1)
        }
        // A character, and not a lifetime: it ends after one character, or begins with an escape.
        [b'\'', b'\\', ..] => {
            let close = at + 1 + quoted(&rest[1..], b'\'');
            (at + 1..close, close + 1)
        }
        [b'\'', first, ..] => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0.. => 4,
            };
            let is_character = rest.get(1 + width) == Some(&b'\'');
            let close = if is_character { at + 1 + width } else { at };
            (at + usize::from(is_character)..close, close + 1)
        }
        _ => (at..at, at + 1),
    }
}

/// The length of a block comment, those inside it included.
fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// If a raw string begins here: where its contents begin and end.
fn raw_string(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let named = at > 0 && (text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'_');
    if named && text[at - 1] != b'b' || text[at] != b'r' {
        return None;
    }
    let hashes = text[at + 1..].iter().take_while(|&&b| b == b'#').count();
    let open = at + 1 + hashes;
    if text.get(open) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    let inside = &text[open + 1..];
    let length = inside
        .windows(end.len())
        .position(|w| w == end)
        .unwrap_or(inside.len());
    Some((open + 1, open + 1 + length))
}

/// How far it is to a quotation mark that is not escaped.
fn quoted(text: &[u8], mark: u8) -> usize {
    let mut at = 0;
    while at < text.len() && text[at] != mark {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}
