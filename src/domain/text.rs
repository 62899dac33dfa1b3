//! The texts that people give to things: names, tags, descriptions, aliases.
//!
//! Each is a type that only a fitting text can become; the error says which member was wrong,
//! what it was, and what fits.

use std::fmt;
use std::sync::Arc;

use super::error::{Refusal, Shown};

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A text that was read from the store, where only a fitting one was written.
            pub fn from_stored(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type! {
    /// The name of a client, a role or a company: 1 to 256 characters, not only white space,
    /// no control characters.
    Name
}

text_type! {
    /// A tag of a client: 1 to 128 characters, no control characters. Compared exactly.
    Tag
}

text_type! {
    /// A description: at most 1,024 bytes of UTF-8; of the control characters only tab and
    /// line ends.
    Description
}

text_type! {
    /// The alias of a tenant: 1 to 64 of `A-Z a-z 0-9 -`; unique without regard to case.
    Alias
}

impl Name {
    pub const LONGEST: usize = 256;

    /// `member` is the JSON property that held the text, for the error.
    pub fn parse(member: &str, text: &str) -> Result<Self, Refusal> {
        let fits = within(text, Self::LONGEST) && !text.trim().is_empty() && !has_control(text);
        if !fits {
            return Err(Refusal::invalid(
                format!("{member} {} cannot be used.", Shown(text)),
                format!(
                    "{member} takes 1 to {} characters, not only white space, and no control characters.",
                    Self::LONGEST
                ),
            ));
        }
        Ok(Self(text.into()))
    }

    /// The form in which names are compared without regard to case.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Tag {
    pub const LONGEST: usize = 128;

    pub fn parse(member: &str, text: &str) -> Result<Self, Refusal> {
        if !within(text, Self::LONGEST) || has_control(text) {
            return Err(Refusal::invalid(
                format!("{member} {} cannot be used.", Shown(text)),
                format!(
                    "A tag takes 1 to {} characters and no control characters.",
                    Self::LONGEST
                ),
            ));
        }
        Ok(Self(text.into()))
    }
}

impl Description {
    pub const LONGEST_BYTES: usize = 1_024;

    pub fn parse(member: &str, text: &str) -> Result<Self, Refusal> {
        let forbidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
        if text.len() > Self::LONGEST_BYTES || text.contains(forbidden) {
            return Err(Refusal::invalid(
                format!("{member} {} cannot be used.", Shown(text)),
                format!(
                    "{member} takes at most {} bytes of UTF-8; of the control characters only tab and line ends.",
                    Self::LONGEST_BYTES
                ),
            ));
        }
        Ok(Self(text.into()))
    }
}

impl Alias {
    pub const LONGEST: usize = 64;

    pub fn parse(member: &str, text: &str) -> Result<Self, Refusal> {
        let fits = (1..=Self::LONGEST).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !fits {
            return Err(Refusal::invalid(
                format!("{member} {} cannot be used.", Shown(text)),
                format!(
                    "{member} takes 1 to {} characters of A-Z a-z 0-9 and hyphen.",
                    Self::LONGEST
                ),
            ));
        }
        Ok(Self(text.into()))
    }

    /// The form in which aliases are compared.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

fn within(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest * 4 && text.chars().count() <= longest
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert!(Name::parse("Name", &"é".repeat(256)).is_ok());
        assert!(Name::parse("Name", &"é".repeat(257)).is_err());
        assert!(Tag::parse("Tags", &"🏭".repeat(128)).is_ok());
        assert!(Tag::parse("Tags", &"🏭".repeat(129)).is_err());
    }

    #[test]
    fn a_description_counts_bytes() {
        assert!(Description::parse("Description", &"é".repeat(512)).is_ok());
        assert!(Description::parse("Description", &"é".repeat(513)).is_err());
        assert!(Description::parse("Description", "two\nlines").is_ok());
        assert!(Description::parse("Description", "bell\u{7}").is_err());
    }

    #[test]
    fn a_blank_name_is_refused_and_the_error_shows_it_safely() {
        for text in ["", " ", "\t\u{a0}", "a\nb"] {
            assert!(Name::parse("Name", text).is_err(), "{text:?}");
        }
        let refusal = Name::parse("Name", "a\r\nb").unwrap_err();
        assert!(
            refusal.reason.contains(r"'a\u{d}\u{a}b'"),
            "{}",
            refusal.reason
        );
    }
}
