//! The secrets of a client, as far as they are kept: salted hashes and what people say of them.
//!
//! The value itself is shown once, at creation, and lives in `tokens::secret`.

use super::ids::SecretId;
use super::text::Description;
use super::times::Timestamp;

/// SHA-256 of a client's salt and a secret value. Has no `Debug` and no way to text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

/// The random salt of one client. Has no `Debug` and no way to text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

/// One secret of a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub id: SecretId,
    pub hash: SecretHash,
    pub description: Option<Description>,
    /// From this moment on it is refused; `None` means never.
    pub expiration: Option<Timestamp>,
}

impl Secret {
    /// Whether it still authenticates: until its expiration, not at it.
    pub fn lives_at(&self, now: Timestamp) -> bool {
        self.expiration.is_none_or(|expiration| now < expiration)
    }
}

/// The secrets of one client, in the order of their ids, with the salt that all share.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretSet {
    pub salt: Salt,
    /// The highest id that was ever given out, so that none is used again. 0 before the first.
    pub last_id: i32,
    pub secrets: Vec<Secret>,
    /// The ids of those that are kept and cannot be believed: they never authenticate, and can
    /// only be deleted.
    pub damaged: Vec<SecretId>,
}

impl SecretSet {
    /// The most secrets that a client may have at one time.
    pub const MOST: usize = 10;

    pub fn get(&self, id: SecretId) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.id == id)
    }

    /// How many it has, those that cannot be believed included.
    pub fn len(&self) -> usize {
        self.secrets.len() + self.damaged.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn any_lives_at(&self, now: Timestamp) -> bool {
        self.secrets.iter().any(|secret| secret.lives_at(now))
    }
}
