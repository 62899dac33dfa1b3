//! The registry of identifiers. No signature elsewhere holds a bare string or UUID for one of these.
//!
//! A GUID is read in any case, with or without hyphens, never in braces, and is kept and written
//! in lower case with hyphens, so two spellings name the same thing.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// Reads a GUID in one of the two accepted spellings.
fn parse_guid(text: &str) -> Option<Uuid> {
    match text.len() {
        32 | 36 => Uuid::try_parse(text).ok(),
        _ => None,
    }
}

macro_rules! guid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// An identifier from 128 bits that the caller drew or stored.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Reads a GUID with or without hyphens, in any case; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                parse_guid(text).map(Self)
            }

            /// The 16 bytes, in the order in which identifiers sort.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

guid_id! {
    /// Names a tenant.
    TenantId
}

guid_id! {
    /// Names a role of a tenant, or one of the two cluster roles.
    RoleId
}

guid_id! {
    /// Names the kind of a built-in role; the same in every tenant.
    RoleTypeId
}

/// Names a client within its tenant: a GUID, or 1 to 64 characters of `A-Z a-z 0-9 . _ ~ -`.
///
/// Ordered by the bytes of its stored form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The longest id, in characters (each one byte).
    pub const LONGEST: usize = 64;

    /// Reads an id; a GUID is brought to its one form. `None` for what no client can have:
    /// the wrong length, another character, or `.` and `..`, which no URL can name.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(guid) = parse_guid(text) {
            return Some(Self::from_uuid(guid));
        }
        let fits = (1..=Self::LONGEST).contains(&text.len())
            && text != "."
            && text != ".."
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'));
        fits.then(|| Self(text.into()))
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.as_hyphenated().to_string().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a secret within its client: counts up from 1 and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretId(pub i32);

impl SecretId {
    /// Reads the decimal form as it is written in answers; `None` for any other spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let number: i32 = text.parse().ok()?;
        (number > 0 && number.to_string() == text).then_some(Self(number))
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a change in the one order of all changes of a store. Starts at 1, never repeats
/// within an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    pub const ZERO: Self = Self(0);

    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one life of a store: drawn at first start and anew at each restore, so that a revision
/// that is counted twice is still told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u32);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// One life of a client: the epoch and the revision of its creation. A client that is deleted and
/// created anew under the same id has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation {
    pub epoch: Epoch,
    pub created: Revision,
}

impl Generation {
    /// Reads the form that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, created) = text.split_once('-')?;
        let generation = Self {
            epoch: Epoch(u32::from_str_radix(epoch, 16).ok()?),
            created: Revision(created.parse().ok()?),
        };
        (generation.to_string() == text).then_some(generation)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.created)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "2dc742ab-39ea-4fc0-a39e-2bcb71c26a5f";

    #[test]
    fn every_spelling_of_a_guid_is_one_client() {
        for spelling in [
            GUID,
            "2DC742AB-39EA-4FC0-A39E-2BCB71C26A5F",
            "2dc742ab39ea4fc0a39e2bcb71c26a5f",
            "2DC742AB39EA4FC0A39E2BCB71C26A5F",
        ] {
            assert_eq!(ClientId::parse(spelling).unwrap().as_str(), GUID);
            assert_eq!(TenantId::parse(spelling).unwrap().to_string(), GUID);
        }
    }

    #[test]
    fn what_no_client_can_have_is_refused() {
        let too_long = "a".repeat(65);
        let braced = format!("{{{GUID}}}");
        for text in ["", ".", "..", "a b", "a/b", "ä", "a%41", &too_long, &braced] {
            assert!(ClientId::parse(text).is_none(), "{text}");
        }
        for text in ["a", "...", "Pump_1.line~2-x", &"a".repeat(64)] {
            assert_eq!(ClientId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_secret_id_has_one_spelling() {
        assert_eq!(SecretId::parse("7"), Some(SecretId(7)));
        for text in ["", "0", "-1", "+1", "01", "1.0", "2147483648", " 1"] {
            assert_eq!(SecretId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_generation_reads_only_what_it_writes() {
        let generation = Generation {
            epoch: Epoch(0xab),
            created: Revision(7),
        };
        assert_eq!(Generation::parse(&generation.to_string()), Some(generation));
        assert_eq!(Generation::parse("ab-7"), None);
        assert_eq!(Generation::parse("000000ab-07"), None);
    }
}
