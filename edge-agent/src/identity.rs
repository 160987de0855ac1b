//! Who this laptop is: its id and this start's id, and the secret that apps on it show.
//!
//! Made once and kept in the state directory. It never leaves the laptop but as the id alone; the
//! token is shown by nothing here.

use std::fmt;

use rand::RngExt as _;
use ulid::Ulid;

use crate::store::{StateDir, StoreError};

/// The file that apps read the token from, in the state directory.
pub(crate) const TOKEN_FILE: &str = "token";

const DEVICE_ID_FILE: &str = "device-id";

/// What identifies one agent.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The laptop, for as long as its state lasts.
    pub(crate) device_id: String,
    /// This start of the agent.
    pub(crate) boot_id: String,
    /// What apps must show.
    pub(crate) token: ApiToken,
}

/// The secret of the local API: 32 random bytes in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiToken(String);

impl ApiToken {
    /// The secret itself.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

impl Identity {
    /// Reads who this laptop is, or makes it up at the first start.
    ///
    /// # Errors
    /// When the state directory can be neither read nor written.
    pub(crate) fn load(state: &StateDir) -> Result<Self, StoreError> {
        Ok(Self {
            device_id: state.read_or_make(DEVICE_ID_FILE, || Ulid::generate().to_string())?,
            boot_id: Ulid::generate().to_string(),
            token: ApiToken(state.read_or_make(TOKEN_FILE, random_token)?),
        })
    }
}

fn random_token() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::Identity;
    use crate::store::StateDir;

    #[test]
    fn a_laptop_is_the_same_after_a_restart_but_each_start_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let first = Identity::load(&state).unwrap();
        let second = Identity::load(&state).unwrap();
        assert_eq!(
            (&first.device_id, &first.token),
            (&second.device_id, &second.token)
        );
        assert_ne!(first.boot_id, second.boot_id);
    }

    #[test]
    fn the_token_is_long_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::load(&StateDir::open(folder.path()).unwrap()).unwrap();
        assert_eq!(identity.token.expose().len(), 64);
        assert!(!format!("{identity:?}").contains(identity.token.expose()));
    }
}
