//! Strict JSON (RFC 8259): a text is read whole, once, and what could be read in two ways is refused.
//!
//! serde_json does the reading; this adds what it leaves open: no member twice, no deep nesting.
//! For bodies of requests, JOSE headers and claims.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::domain::error::Shown;

/// How many arrays and objects may stand within each other.
pub const DEEPEST: usize = 32;

/// When two names of members are the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// When they are equal but for the case of ASCII letters, as in the bodies of the API.
    CaseInsensitive,
    /// When they are equal, as in JOSE.
    Exact,
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(Object),
}

/// The members of an object, in the order in which they were given, no two of the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    names: Names,
    members: Vec<(String, Json)>,
}

/// Why a text was refused, in a few words and with the place; holds no more of the text than the
/// shortened name of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl Json {
    /// Reads one whole JSON text in UTF-8, without a byte order mark.
    ///
    /// Refused: a member given twice, more than [`DEEPEST`] levels, anything after the value, and
    /// all that is not JSON (NaN, a lone surrogate, a trailing comma, a number beyond `f64`).
    pub fn read(bytes: &[u8], names: Names) -> Result<Self, JsonError> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        Value { names, depth: 0 }
            .deserialize(&mut reader)
            .and_then(|value| reader.end().map(|()| value))
            .map_err(|error| JsonError(error.to_string()))
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number where it is written as an integer (`1`, not `1.0`) and fits.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl Object {
    /// The member of this name, by the rule with which the text was read.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.members
            .iter()
            .find(|(given, _)| self.names.same(given, name))
            .map(|(_, value)| value)
    }

    /// The members in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.members
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }
}

impl Names {
    fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::CaseInsensitive => one.eq_ignore_ascii_case(other),
            Self::Exact => one == other,
        }
    }

    /// The form that is equal exactly where the names are the same.
    fn folded(self, name: &str) -> String {
        match self {
            Self::CaseInsensitive => name.to_ascii_lowercase(),
            Self::Exact => name.to_owned(),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// Reads one value that stands within `depth` arrays and objects.
#[derive(Clone, Copy)]
struct Value {
    names: Names,
    depth: usize,
}

impl Value {
    fn within<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEEPEST {
            return Err(E::custom(format_args!(
                "more than {DEEPEST} arrays and objects within each other"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value)
            .map(Json::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let within = self.within()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(within)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let within = self.within()?;
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut seen = Seen::default();
        while let Some(name) = access.next_key::<String>()? {
            if !seen.is_new(&name, &members, self.names) {
                let name = shortened(&name);
                return Err(A::Error::custom(format_args!(
                    "the member {} is given twice",
                    Shown(&name)
                )));
            }
            members.push((name, access.next_value_seed(within)?));
        }
        Ok(Json::Object(Object {
            names: self.names,
            members,
        }))
    }
}

/// The names of an object so far: compared one by one while they are few, then looked up.
#[derive(Default)]
struct Seen(HashSet<String>);

impl Seen {
    const FEW: usize = 16;

    fn is_new(&mut self, name: &str, members: &[(String, Json)], names: Names) -> bool {
        if members.len() < Self::FEW {
            return members.iter().all(|(given, _)| !names.same(given, name));
        }
        if self.0.is_empty() {
            self.0
                .extend(members.iter().map(|(given, _)| names.folded(given)));
        }
        self.0.insert(names.folded(name))
    }
}

fn shortened(name: &str) -> String {
    const LONGEST: usize = 40;
    let mut characters = name.chars();
    let mut short: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Json, JsonError> {
        Json::read(text.as_bytes(), Names::CaseInsensitive)
    }

    #[test]
    fn every_kind_of_value_is_read_in_order() {
        let json =
            read(r#" {"b":[null,true,-1,1.5,"é\ud83c\udfed"],"A":{},"n":18446744073709551615} "#)
                .unwrap();
        let object = json.as_object().unwrap();
        let names: Vec<_> = object.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "A", "n"]);
        let items = object.get("B").unwrap().as_array().unwrap();
        assert_eq!(items[0], Json::Null);
        assert_eq!(items[1], Json::Bool(true));
        assert_eq!(items[2].as_integer(), Some(-1));
        assert_eq!(items[3].as_integer(), None);
        assert_eq!(items[4].as_str(), Some("é🏭"));
        assert_eq!(object.get("n").unwrap().as_integer(), None);
        assert_eq!(object.get("missing"), None);
    }

    #[test]
    fn names_are_the_same_by_the_rule_of_the_reader() {
        let text = br#"{"Id":1,"id":2}"#;
        let error = Json::read(text, Names::CaseInsensitive).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the member 'id' is given twice")
        );
        let json = Json::read(text, Names::Exact).unwrap();
        let object = json.as_object().unwrap();
        assert_eq!(object.get("Id").unwrap().as_integer(), Some(1));
        assert_eq!(object.get("id").unwrap().as_integer(), Some(2));
        assert_eq!(object.get("ID"), None);
        for twice in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"\u0061":1}}]"#] {
            assert!(
                Json::read(twice.as_bytes(), Names::Exact).is_err(),
                "{twice}"
            );
        }
        // Only ASCII letters have a case here.
        assert!(read(r#"{"é":1,"É":2}"#).is_ok());
    }

    #[test]
    fn a_repeated_name_is_found_among_very_many() {
        let many = |last: &str| {
            let members: String = (0..100_000).map(|i| format!("\"m{i}\":0,")).collect();
            read(&format!("{{{members}\"{last}\":0}}"))
        };
        assert!(many("new").is_ok());
        for last in ["M3", "m16", "M17", "m99999"] {
            assert!(many(last).is_err(), "{last}");
        }
    }

    #[test]
    fn nesting_ends_at_32() {
        let arrays = |depth| "[".repeat(depth) + &"]".repeat(depth);
        let objects = |depth| "{\"a\":".repeat(depth) + "0" + &"}".repeat(depth);
        assert!(read(&arrays(32)).is_ok());
        assert!(read(&objects(32)).is_ok());
        for text in [arrays(33), objects(33), arrays(10_000), "[".repeat(100_000)] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.starts_with("more than 32"), "{error}");
        }
    }

    #[test]
    fn what_is_not_one_json_text_is_refused() {
        for text in [
            "",
            " ",
            "{} {}",
            "{}x",
            "1 2",
            "\u{feff}{}",
            "NaN",
            "Infinity",
            "-",
            "01",
            "1e999",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "'a'",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"a\nb\"",
            "\"\\x\"",
            "\"open",
            "[1",
            "/**/1",
            "TRUE",
            "{\"a\"}",
            "{\"\\ud800\":1}",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        for bytes in [
            &b"\"\xff\""[..],
            b"\"\xed\xa0\x80\"",
            b"\xff\xfe{\0}\0",
            b"\"\xc0\xaf\"",
        ] {
            assert!(Json::read(bytes, Names::Exact).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn an_error_shows_little_of_the_text_and_that_safely() {
        let name = format!("a\\n\\u001b{}", "x".repeat(5_000));
        let error = read(&format!("{{\"{name}\":1,\"{name}\":2}}"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(r"'a\u{a}\u{1b}xxx") && error.contains('…'),
            "{error}"
        );
        assert!(
            error.len() < 150 && !error.contains(char::is_control),
            "{error}"
        );
        let error = read("{\"Secret\": hunter2}").unwrap_err().to_string();
        assert!(!error.contains("hunter"), "{error}");
        assert!(error.contains("line 1 column"), "{error}");
    }
}
