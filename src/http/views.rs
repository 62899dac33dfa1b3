//! Small pieces that the JSON of every generation is made of.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::domain::client::RoleIds;
use crate::domain::text::Tag;
use crate::domain::times::Timestamp;

/// Writes anything as the string that it displays.
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Tags as an array of strings.
pub struct TagTexts<'a>(pub &'a [Tag]);

impl Serialize for TagTexts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Tag::as_str))
    }
}

/// Role ids as an array of strings.
pub struct RoleIdTexts<'a>(pub &'a RoleIds);

impl Serialize for RoleIdTexts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Text))
    }
}

/// A time, or null.
pub fn time(time: Option<Timestamp>) -> Option<Text<Timestamp>> {
    time.map(Text)
}

/// Appends a value as JSON. Our own types always serialise.
pub fn append(body: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(body, value);
    debug_assert!(written.is_ok());
}
