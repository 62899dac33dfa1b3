//! Tokens that were verified a moment ago, by their SHA-256: a second request costs a hash instead
//! of a signature check, and no token is kept in memory.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ring::digest;

use super::verify::{self, TokenError, VerifiedToken, Verifier};
use crate::domain::times::Timestamp;

type TokenDigest = [u8; digest::SHA256_OUTPUT_LEN];

type Tokens = HashMap<TokenDigest, VerifiedToken, BuildHasherDefault<OfDigest>>;

/// The beginning of a digest is as good as any hash of it, since nobody chooses what is in the map:
/// only tokens that we signed are.
#[derive(Default)]
struct OfDigest(u64);

impl Hasher for OfDigest {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(beginning) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*beginning);
        }
    }

    /// All digests have one length.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A bounded memory of verified tokens, for one worker: nothing in it is locked.
///
/// It has a young and an old half. What is verified or found again is young; when the young half
/// is full it becomes the old one, and what was old and not asked for since is forgotten.
/// What was verified with one edition of the keys is forgotten with it: a token of a key that was
/// taken away is refused by the next request.
pub struct VerifiedCache {
    capacity: usize,
    edition: u64,
    young: Tokens,
    old: Tokens,
}

impl VerifiedCache {
    /// As many tokens as one half of a worker's cache usually holds.
    pub const USUAL_CAPACITY: usize = 8_192;

    /// `capacity` is that of each half; at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            edition: 0,
            young: Tokens::default(),
            old: Tokens::default(),
        }
    }

    /// What [`Verifier::verify`] says of this token, now or at an earlier time in its life.
    pub fn verify(
        &mut self,
        verifier: &Verifier,
        token: &str,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        if token.len() > verify::LONGEST {
            return Err(TokenError::TooLong);
        }
        let keys = verifier.keys().now();
        self.begin_anew_unless(keys.edition());
        let digest = digest_of(token);
        if let Some(verified) = self.get(&digest) {
            verified.check_time(now)?;
            return Ok(verified);
        }
        let verified = verifier.verify_with(&keys, token, now)?;
        self.insert(digest, verified.clone());
        Ok(verified)
    }

    fn begin_anew_unless(&mut self, edition: u64) {
        if self.edition != edition {
            self.edition = edition;
            self.young.clear();
            self.old.clear();
        }
    }

    fn get(&mut self, digest: &TokenDigest) -> Option<VerifiedToken> {
        if let Some(verified) = self.young.get(digest) {
            return Some(verified.clone());
        }
        let verified = self.old.remove(digest)?;
        self.insert(*digest, verified.clone());
        Some(verified)
    }

    fn insert(&mut self, digest: TokenDigest, verified: VerifiedToken) {
        if self.young.len() >= self.capacity {
            // The old half's table is used again, so a full cache allocates no more.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(digest, verified);
    }
}

impl Default for VerifiedCache {
    fn default() -> Self {
        Self::new(Self::USUAL_CAPACITY)
    }
}

fn digest_of(token: &str) -> TokenDigest {
    let mut bytes = TokenDigest::default();
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ClientId, Epoch, Generation, Revision, TenantId};
    use crate::tokens::key::{KeySet, SigningKey};
    use crate::tokens::keys::Keys;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0).unwrap()
    }

    fn verified(expires: i64) -> VerifiedToken {
        VerifiedToken {
            tenant: TenantId::from_bytes([1; 16]),
            client: ClientId::parse("pump-1").unwrap(),
            generation: Generation {
                epoch: Epoch(1),
                created: Revision(1),
            },
            begins: 10,
            expires,
        }
    }

    fn digest(number: usize) -> TokenDigest {
        digest_of(&number.to_string())
    }

    fn keys() -> KeySet {
        KeySet::new(SigningKey::generate().unwrap(), vec![])
    }

    /// Accepts nothing: what is accepted came from the cache.
    fn verifier() -> Verifier {
        let keys = Keys::new(keys());
        Verifier::new("issuer".into(), "audience".into(), keys.into())
    }

    #[test]
    fn with_other_keys_nothing_is_known_any_more() {
        let (mut cache, verifier) = (VerifiedCache::default(), verifier());
        cache.insert(digest_of("token"), verified(100));
        assert!(cache.verify(&verifier, "token", at(99)).is_ok());
        verifier.keys().replace(keys());
        let refused = cache.verify(&verifier, "token", at(99));
        assert_eq!(refused, Err(TokenError::Malformed));
        assert!(cache.young.is_empty() && cache.old.is_empty());
    }

    #[test]
    fn a_known_token_is_served_until_it_expires() {
        let (mut cache, verifier) = (VerifiedCache::default(), verifier());
        cache.insert(digest_of("token"), verified(100));
        let ok = cache.verify(&verifier, "token", at(99));
        assert_eq!(ok, Ok(verified(100)));
        let late = cache.verify(&verifier, "token", at(100));
        assert_eq!(late, Err(TokenError::Expired));
        // The clock went back.
        let early = cache.verify(&verifier, "token", at(9));
        assert_eq!(early, Err(TokenError::NotYetValid));
        assert!(cache.verify(&verifier, "token", at(10)).is_ok());
        let other = cache.verify(&verifier, "Token", at(99));
        assert_eq!(other, Err(TokenError::Malformed));
    }

    #[test]
    fn a_refused_token_is_not_remembered() {
        let (mut cache, verifier) = (VerifiedCache::default(), verifier());
        for token in ["", "a.b.c", &"x".repeat(verify::LONGEST + 1)] {
            assert!(cache.verify(&verifier, token, at(0)).is_err());
        }
        assert!(cache.young.is_empty() && cache.old.is_empty());
    }

    #[test]
    fn it_stays_bounded_and_keeps_what_is_used() {
        let mut cache = VerifiedCache::new(10);
        cache.insert(digest(0), verified(1));
        for number in 1..1_000 {
            cache.insert(digest(number), verified(1));
            assert!(cache.young.len() <= 10 && cache.old.len() <= 10);
            assert!(cache.get(&digest(0)).is_some(), "{number}");
        }
        assert!(cache.get(&digest(999)).is_some());
        assert!(cache.get(&digest(900)).is_none());
    }
}
