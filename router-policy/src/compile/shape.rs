//! What a condition looks like before it is parsed: plain strings that end, and nothing nested
//! deeper than every stack can bear.
//!
//! The parser reads a chain (`a.b.c…`, `a == b == …`, `a[0][0]…`) into a tree as deep as the chain
//! is long, and walks it by recursion. A stack that overflows ends the process and cannot be caught,
//! so depth is bounded here. Its invariant: what passes nests at most [`MAX_DEPTH`] deep once parsed.

/// Deepest nesting: brackets, chains and conditionals taken together.
pub(super) const MAX_DEPTH: usize = 48;

/// What is wrong, and the byte where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misshapen {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Checks the shape of a condition.
///
/// Strings are read strictly, so that what stands in one for us stands in one for the parser too:
/// otherwise a quote that the two read differently would hide a chain.
pub(super) fn check(text: &str) -> Result<(), Misshapen> {
    let bytes = text.as_bytes();
    let mut depth = Depth::default();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        match byte {
            b'"' | b'\'' => {
                at = string(bytes, at)?;
                continue;
            }
            b'/' if next == Some(b'/') => {
                at += bytes[at..]
                    .iter()
                    .take_while(|byte| **byte != b'\n')
                    .count();
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {
                let end = at + word(&bytes[at..]);
                if &bytes[at..end] == b"in" {
                    depth.link();
                }
                at = end;
                if matches!(bytes.get(at), Some(b'"' | b'\'')) {
                    return refuse(at, "raw and byte strings are not supported: write \"…\"");
                }
                continue;
            }
            b'(' | b'[' | b'{' => depth.open(),
            b')' | b']' | b'}' => depth.close(),
            b'&' | b'|' if next == Some(byte) => {
                depth.part();
                at += 1;
            }
            b',' => depth.element(),
            b'?' => depth.conditional(),
            b'.' | b'=' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%' => depth.link(),
            b'!' | b':' | b'&' | b'|' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                let c = text.get(at..).and_then(|rest| rest.chars().next());
                let c = c.unwrap_or(char::REPLACEMENT_CHARACTER).escape_debug();
                return refuse(at, format!("`{c}` has no meaning in a condition"));
            }
        }
        if depth.total() > MAX_DEPTH {
            return refuse(
                at,
                format!("the condition nests more than {MAX_DEPTH} deep"),
            );
        }
        at += 1;
    }
    Ok(())
}

/// How deep the parser's tree may be at a place: an upper bound.
#[derive(Debug, Default)]
struct Depth {
    here: Level,
    /// The brackets around, the outermost first.
    around: Vec<Level>,
    /// How deep those are together.
    above: usize,
}

/// How deep it is within one pair of brackets.
#[derive(Debug, Default, Clone, Copy)]
struct Level {
    /// Links of the chain here. `&&` and `||` end it: the parser balances those.
    links: usize,
    /// Conditionals here; each holds the next.
    conditionals: usize,
}

impl Depth {
    fn total(&self) -> usize {
        self.above + self.here.links + self.here.conditionals
    }

    fn link(&mut self) {
        self.here.links += 1;
    }

    fn conditional(&mut self) {
        self.here.conditionals += 1;
    }

    /// The next side of `&&` or `||`.
    fn part(&mut self) {
        self.here.links = 0;
    }

    /// The next element of a list.
    fn element(&mut self) {
        self.here = Level::default();
    }

    fn open(&mut self) {
        // A call and an index are links themselves.
        self.link();
        self.above = self.total();
        self.around.push(std::mem::take(&mut self.here));
    }

    fn close(&mut self) {
        self.here = self.around.pop().unwrap_or_default();
        self.above = self
            .above
            .saturating_sub(self.here.links + self.here.conditionals);
    }
}

/// Where the string that begins at `start` is over.
fn string(bytes: &[u8], start: usize) -> Result<usize, Misshapen> {
    let quote = bytes[start];
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            None | Some(b'\n' | b'\r') => {
                return refuse(start, "a string that does not end on its line");
            }
            Some(b'\\') => {
                let simple = b"abfnrtv\"'\\?`";
                if !bytes.get(at + 1).is_some_and(|next| simple.contains(next)) {
                    let message = "this escape is not supported: write the character itself";
                    return refuse(at, message);
                }
                at += 2;
            }
            Some(byte) if *byte == quote => break,
            Some(_) => at += 1,
        }
    }
    if at == start + 1 && bytes.get(at + 1) == Some(&quote) {
        let message = "strings in three quotes are not supported: write \"…\"";
        return refuse(start, message);
    }
    Ok(at + 1)
}

/// How long the word at the start is.
fn word(bytes: &[u8]) -> usize {
    let of_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    bytes.iter().take_while(of_word).count()
}

fn refuse<T>(at: usize, message: impl Into<String>) -> Result<T, Misshapen> {
    let message = message.into();
    Err(Misshapen { at, message })
}

#[cfg(test)]
mod tests;
