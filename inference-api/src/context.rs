//! Who asks, and under which terms: what travels with a request beside its
//! task.

use std::fmt;

use tokio::time::Instant;

use crate::boundary::{Boundary, Fallback, Mode};

/// The terms of one request. They hold at every hop.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who asks.
    pub caller: Caller,
    /// Where the caller would like it to run; `None` when unstated.
    pub mode: Option<Mode>,
    /// How far the content may travel, as told by the hop before.
    pub boundary: Boundary,
    /// Whether another place may serve when one fails.
    pub fallback: Fallback,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Whether the answer should carry the whole decision.
    pub wants_debug: bool,
    /// Whether nobody reads the answer before it is complete: it need not come in pieces.
    pub wants_whole: bool,
}

impl Context {
    /// The terms of a caller that stated none.
    #[must_use]
    pub fn new(deadline: Instant) -> Self {
        Self {
            caller: Caller::default(),
            mode: None,
            boundary: Boundary::Cloud,
            fallback: Fallback::default(),
            deadline,
            wants_debug: false,
            wants_whole: false,
        }
    }
}

/// Who asks, as far as they said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The program.
    pub app: Option<AppName>,
    /// The person, in the program's own terms.
    pub user: Option<UserName>,
}

/// A program's name: one to 64 letters, digits, `.`, `_` or `-`.
///
/// Narrow enough to stand in logs and policies.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AppName(Box<str>);

impl AppName {
    /// Longest name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// The name, if it is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (fits && text.bytes().all(plain)).then(|| Self(text.into()))
    }

    /// The name of the first product in a `User-Agent` header, without its
    /// version: `OpenAI/Python 1.2` is `OpenAI`.
    #[must_use]
    pub fn from_user_agent(header: &str) -> Option<Self> {
        Self::new(header.split(['/', ' ']).next()?)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A person as an app names them: one to 128 bytes without control characters.
///
/// It may be an address or a real name, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserName(Box<str>);

impl UserName {
    /// Longest name, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// The name, if it is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserName({} bytes)", self.0.len())
    }
}
