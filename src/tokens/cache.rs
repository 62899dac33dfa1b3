//! Tokens that were verified a moment ago, by a tag of each: a second request costs a tag instead of
//! a signature check, and no token is kept in memory.
//!
//! The tag is GMAC (NIST SP 800-38D) with a random key of each cache and one nonce for all. That is
//! sound here, and only because no tag ever leaves the cache: to whoever knows neither key nor tags
//! GHASH is a universal hash, so any two tokens have the same tag with a probability below 2^-120,
//! whoever chose them. It takes a quarter of the time of SHA-256.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};

use zeroize::Zeroizing;

use super::verify::{self, TokenError, VerifiedToken, Verifier};
use crate::domain::times::Timestamp;

type TokenTag = [u8; 16];

type Tokens = HashMap<TokenTag, VerifiedToken, BuildHasherDefault<OfTag>>;

/// The beginning of a tag is as good as any hash of it.
#[derive(Default)]
struct OfTag(u64);

impl Hasher for OfTag {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(beginning) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*beginning);
        }
    }

    /// All tags have one length.
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
    /// `None` where the system gave no randomness: then nothing is remembered.
    key: Option<LessSafeKey>,
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
            key: draw_key().ok(),
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
        let tag = self.tag_of(token);
        if let Some(verified) = tag.and_then(|tag| self.get(&tag)) {
            verified.check_time(now)?;
            return Ok(verified);
        }
        let verified = verifier.verify_with(&keys, token, now)?;
        if let Some(tag) = tag {
            self.insert(tag, verified.clone());
        }
        Ok(verified)
    }

    fn begin_anew_unless(&mut self, edition: u64) {
        if self.edition != edition {
            self.edition = edition;
            self.young.clear();
            self.old.clear();
        }
    }

    fn tag_of(&self, token: &str) -> Option<TokenTag> {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let key = self.key.as_ref()?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(token), &mut []);
        tag.ok()?.as_ref().try_into().ok()
    }

    fn get(&mut self, tag: &TokenTag) -> Option<VerifiedToken> {
        if let Some(verified) = self.young.get(tag) {
            return Some(verified.clone());
        }
        let verified = self.old.remove(tag)?;
        self.insert(*tag, verified.clone());
        Some(verified)
    }

    fn insert(&mut self, tag: TokenTag, verified: VerifiedToken) {
        if self.young.len() >= self.capacity {
            // The old half's table is used again, so a full cache allocates no more.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(tag, verified);
    }
}

impl Default for VerifiedCache {
    fn default() -> Self {
        Self::new(Self::USUAL_CAPACITY)
    }
}

fn draw_key() -> Result<LessSafeKey, Unspecified> {
    let mut bytes = Zeroizing::new([0; 16]);
    SystemRandom::new().fill(&mut *bytes)?;
    Ok(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &*bytes)?))
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

    fn tag(number: usize) -> TokenTag {
        (number as u128).to_be_bytes()
    }

    #[test]
    fn each_token_has_a_tag_of_its_own_in_each_cache() {
        let (cache, other) = (VerifiedCache::default(), VerifiedCache::default());
        let token = "x".repeat(700);
        let tags = |cache: &VerifiedCache| -> std::collections::HashSet<_> {
            let changed = (0..token.len()).map(|place| {
                let mut changed = token.clone();
                changed.replace_range(place..=place, "y");
                cache.tag_of(&changed).unwrap()
            });
            let cut = (0..token.len()).map(|length| cache.tag_of(&token[..length]).unwrap());
            changed.chain(cut).chain(cache.tag_of(&token)).collect()
        };
        assert_eq!(tags(&cache).len(), 2 * token.len() + 1);
        assert_eq!(cache.tag_of(&token), cache.tag_of(&token));
        assert!(tags(&cache).is_disjoint(&tags(&other)));
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
        let token_tag = cache.tag_of("token").unwrap();
        cache.insert(token_tag, verified(100));
        assert!(cache.verify(&verifier, "token", at(99)).is_ok());
        verifier.keys().replace(keys());
        let refused = cache.verify(&verifier, "token", at(99));
        assert_eq!(refused, Err(TokenError::Malformed));
        assert!(cache.young.is_empty() && cache.old.is_empty());
    }

    #[test]
    fn a_known_token_is_served_until_it_expires() {
        let (mut cache, verifier) = (VerifiedCache::default(), verifier());
        let token_tag = cache.tag_of("token").unwrap();
        cache.insert(token_tag, verified(100));
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
        cache.insert(tag(0), verified(1));
        for number in 1..1_000 {
            cache.insert(tag(number), verified(1));
            assert!(cache.young.len() <= 10 && cache.old.len() <= 10);
            assert!(cache.get(&tag(0)).is_some(), "{number}");
        }
        assert!(cache.get(&tag(999)).is_some());
        assert!(cache.get(&tag(900)).is_none());
    }
}
