//! How identifiers and times are written to and read from serialized data that the service keeps
//! for itself, such as the audit log: as text in their one form, and numbers as numbers.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use super::ids::{ClientId, Epoch, Revision, RoleId, SecretId, TenantId};
use super::times::Timestamp;

macro_rules! as_text {
    ($name:ident, $parse:expr, $what:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(&text).ok_or_else(|| D::Error::custom(concat!("expected ", $what)))
            }
        }
    };
}

as_text!(TenantId, Self::parse, "the id of a tenant, a GUID");
as_text!(RoleId, Self::parse, "the id of a role, a GUID");
as_text!(ClientId, Self::parse, "the id of a client");
as_text!(
    Timestamp,
    |text| Self::parse("Time", text).ok(),
    "a time of RFC 3339"
);
as_text!(
    Epoch,
    |text| {
        let epoch = Self(u32::from_str_radix(text, 16).ok()?);
        (epoch.to_string() == text).then_some(epoch)
    },
    "an epoch, eight hexadecimal digits"
);

macro_rules! as_number {
    ($name:ident, $number:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$number>::deserialize(deserializer).map(Self)
            }
        }
    };
}

as_number!(Revision, u64);
as_number!(SecretId, i32);
