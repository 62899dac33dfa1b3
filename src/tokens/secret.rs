//! The value of a secret: how it is made, hashed, and found among the secrets of a client.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::domain::ports::Random;
use crate::domain::secret::{Salt, Secret, SecretHash, SecretSet};
use crate::domain::times::Timestamp;

/// What every generated value begins with, so that scanners of source code can recognise one.
pub const PREFIX: &str = "crdz_";

/// The longest value that is looked at, in bytes.
pub const LONGEST: usize = 256;

/// The secrets of a client that does not exist: [`find`] finds nothing among them, in the same
/// time as among those of one that does.
pub static NOBODY: SecretSet = SecretSet {
    salt: Salt([0; 16]),
    last_id: 0,
    secrets: Vec::new(),
    damaged: Vec::new(),
};

/// What an empty slot is compared with; no value is known to have this hash, and none is asked for.
const EMPTY_SLOT: SecretHash = SecretHash([0; 32]);

/// The value of a secret, in the clear. It is wiped from memory when dropped and has no way into a
/// log or an answer but [`PlainSecret::expose`].
pub struct PlainSecret(Zeroizing<String>);

impl PlainSecret {
    const RANDOM_BYTES: usize = 32;
    const CHECKSUM_LENGTH: usize = 6;
    /// `crdz_`, 43 characters of base64url, the checksum.
    const LENGTH: usize = PREFIX.len() + 43 + Self::CHECKSUM_LENGTH;

    /// A new value: `crdz_`, 256 random bits and a checksum, all of `[A-Za-z0-9_-]`.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; Self::RANDOM_BYTES]);
        random.fill(bytes.as_mut());
        // Never grows beyond its capacity, so no copy of it stays behind.
        let mut value = Zeroizing::new(String::with_capacity(Self::LENGTH));
        value.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut value);
        let mut checksum = checksum(&value);
        value.push_str(&checksum);
        checksum.zeroize();
        Self(value)
    }

    /// A value that somebody gave, in whatever form.
    pub fn from_given(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself: for the one answer that shows it, and for checking it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Whether a text has the form of a generated value and its checksum is right. It helps whoever
/// looks for leaked secrets; it says nothing of whether the value is, or ever was, valid.
pub fn has_generated_form(text: &str) -> bool {
    let well_formed = text.len() == PlainSecret::LENGTH
        && text.starts_with(PREFIX)
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !well_formed {
        return false;
    }
    let (value, given) = text.split_at(PlainSecret::LENGTH - PlainSecret::CHECKSUM_LENGTH);
    checksum(value) == given
}

/// The CRC-32 of a text, big-endian, in base64url.
fn checksum(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(crc32fast::hash(text.as_bytes()).to_be_bytes())
}

/// SHA-256 of the salt followed by the value.
pub fn hash(salt: &Salt, value: &str) -> SecretHash {
    #[cfg(test)]
    work::count(|work| work.hashes += 1);
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&salt.0);
    context.update(value.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    SecretHash(hash)
}

/// The secret whose value was given and that is alive at `now`.
///
/// The work is the same whichever secret matches, whether one does and is alive, and how many there
/// are: one hash, then for each of [`SecretSet::MOST`] slots a comparison and a choice without a
/// branch. A value longer than [`LONGEST`] is wrong without being hashed.
pub fn find<'a>(set: &'a SecretSet, given: &str, now: Timestamp) -> Option<&'a Secret> {
    if given.len() > LONGEST {
        return None;
    }
    let given = hash(&set.salt, given);
    const NONE: u8 = u8::MAX;
    let mut found = NONE;
    for slot in 0..SecretSet::MOST as u8 {
        let secret = set.secrets.get(usize::from(slot));
        let stored = secret.map_or(&EMPTY_SLOT, |secret| &secret.hash);
        let lives = secret.is_some_and(|secret| secret.lives_at(now));
        #[cfg(test)]
        work::count(|work| work.comparisons += 1);
        let matches = stored.0.ct_eq(&given.0) & Choice::from(u8::from(lives));
        found.conditional_assign(&slot, matches);
    }
    set.secrets.get(usize::from(found))
}

/// Counts what [`find`] does, for tests that say that every way through it costs the same.
#[cfg(test)]
pub mod work {
    use std::cell::Cell;

    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Work {
        pub hashes: usize,
        pub comparisons: usize,
    }

    thread_local! {
        static DONE: Cell<Work> = const { Cell::new(Work { hashes: 0, comparisons: 0 }) };
    }

    pub fn count(add: impl FnOnce(&mut Work)) {
        let mut work = DONE.get();
        add(&mut work);
        DONE.set(work);
    }

    /// What this thread does in `act`.
    pub fn of<T>(act: impl FnOnce() -> T) -> (T, Work) {
        DONE.set(Work::default());
        let result = act();
        (result, DONE.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::SecretId;
    use crate::system::random::{SeededRandom, SystemRandom};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0).unwrap()
    }

    fn set(values: &[(&str, Option<i64>)]) -> SecretSet {
        let salt = Salt([7; 16]);
        let secrets = values
            .iter()
            .zip(1..)
            .map(|((value, expiration), id)| Secret {
                id: SecretId(id),
                hash: hash(&salt, value),
                description: None,
                expiration: expiration.map(at),
            });
        SecretSet {
            salt,
            last_id: values.len() as i32,
            secrets: secrets.collect(),
            damaged: Vec::new(),
        }
    }

    fn found(set: &SecretSet, given: &str, now: i64) -> Option<i32> {
        find(set, given, at(now)).map(|secret| secret.id.0)
    }

    #[test]
    fn a_generated_value_has_its_form_and_no_other_text_does() {
        let random = SeededRandom::new(1);
        for _ in 0..100 {
            let secret = PlainSecret::generate(&random);
            let value = secret.expose();
            assert_eq!(value.len(), 54);
            assert!(has_generated_form(value), "{value}");
            for position in 0..value.len() {
                let mut changed = value.as_bytes().to_vec();
                changed[position] = if changed[position] == b'A' {
                    b'B'
                } else {
                    b'A'
                };
                assert!(!has_generated_form(std::str::from_utf8(&changed).unwrap()));
            }
        }
        for text in ["", "crdz_", &"é".repeat(27), &"a".repeat(54), "ghp_x"] {
            assert!(!has_generated_form(text), "{text}");
        }
    }

    #[test]
    fn generated_values_differ() {
        let (one, other) = (
            PlainSecret::generate(&SystemRandom),
            PlainSecret::generate(&SystemRandom),
        );
        assert_ne!(one.expose(), other.expose());
        assert_eq!(PlainSecret::from_given("x".into()).expose(), "x");
    }

    #[test]
    fn the_hash_is_sha_256_of_salt_and_value() {
        let expected = digest::digest(&digest::SHA256, b"0123456789abcdefvalue");
        let hash = hash(&Salt(*b"0123456789abcdef"), "value");
        assert_eq!(&hash.0[..], expected.as_ref());
    }

    #[test]
    fn each_of_ten_secrets_is_found_and_nothing_else() {
        let values: Vec<String> = (1..=10).map(|i| format!("value-{i}")).collect();
        let given: Vec<_> = values.iter().map(|value| (value.as_str(), None)).collect();
        for count in 0..=10 {
            let set = set(&given[..count]);
            for (value, id) in values.iter().zip(1..) {
                let expected = (id as usize <= count).then_some(id);
                assert_eq!(found(&set, value, 0), expected, "{count} {value}");
            }
            for wrong in ["", "value", "value-11", "VALUE-1", "value-1 "] {
                assert_eq!(found(&set, wrong, 0), None);
            }
        }
    }

    #[test]
    fn an_expired_secret_is_not_found() {
        let set = set(&[("a", Some(100)), ("b", None), ("a", Some(200))]);
        assert_eq!(found(&set, "a", 99), Some(3));
        assert_eq!(found(&set, "a", 100), Some(3));
        assert_eq!(found(&set, "a", 199), Some(3));
        assert_eq!(found(&set, "a", 200), None);
        assert_eq!(found(&set, "b", i64::from(i32::MAX)), Some(2));
    }

    #[test]
    fn h02_whatever_is_found_the_work_is_the_same() {
        let values: Vec<String> = (1..=10).map(|i| format!("value-{i}")).collect();
        let given: Vec<_> = values
            .iter()
            .map(|value| (value.as_str(), Some(100)))
            .collect();
        let whole = set(&given);
        for (secrets, value, now) in [
            (&whole, "value-1", 0),
            (&whole, "value-10", 0),
            (&whole, "value-5", 100),
            (&whole, "wrong", 0),
            (&whole, "", 0),
            (&set(&given[..1]), "value-1", 0),
            (&set(&[]), "value-1", 0),
            (&NOBODY, "value-1", 0),
        ] {
            let (_, work) = work::of(|| found(secrets, value, now));
            assert_eq!((work.hashes, work.comparisons), (1, 10), "{value} at {now}");
        }
    }

    #[test]
    fn h03_ten_secrets_cost_what_one_costs_and_a_long_value_nothing() {
        let values: Vec<String> = (1..=10).map(|i| format!("value-{i}")).collect();
        let given: Vec<_> = values.iter().map(|value| (value.as_str(), None)).collect();
        let (one, ten) = (set(&given[..1]), set(&given));
        let (_, of_one) = work::of(|| found(&one, "value-1", 0));
        let (_, of_ten) = work::of(|| found(&ten, "value-10", 0));
        assert_eq!(of_one, of_ten);
        let (_, of_long) = work::of(|| found(&ten, &"x".repeat(LONGEST + 1), 0));
        assert_eq!(of_long, work::Work::default());
    }

    #[test]
    fn nothing_is_found_at_nobody_or_beyond_256_bytes() {
        assert_eq!(found(&NOBODY, "anything", 0), None);
        let (longest, longer) = ("x".repeat(256), "x".repeat(257));
        let set = set(&[(&longest, None), (&longer, None)]);
        assert_eq!(found(&set, &longest, 0), Some(1));
        assert_eq!(found(&set, &longer, 0), None);
    }
}
