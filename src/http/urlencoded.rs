//! Percent-decoding, strictly: what is not valid is refused, not guessed.

use std::borrow::Cow;

/// Decodes a path segment. `None` for a broken escape or what is not UTF-8.
pub fn decode_segment(text: &str) -> Option<Cow<'_, str>> {
    decode(text, false)
}

/// Decodes a name or value of a query or a form, where `+` is a space.
pub fn decode_value(text: &str) -> Option<Cow<'_, str>> {
    decode(text, true)
}

fn decode(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    if !text
        .bytes()
        .any(|b| b == b'%' || (plus_is_space && b == b'+'))
    {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => 16 * hex_digit(bytes.next()?)? + hex_digit(bytes.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The name and value pairs of a query or a form, raw, in order; empty pairs do not count.
pub fn raw_pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_escapes_and_bad_utf8_are_refused() {
        for text in ["%", "%4", "%zz", "%ff", "a%", "%c3%28", "%+1"] {
            assert_eq!(decode_value(text), None, "{text}");
        }
    }

    #[test]
    fn plus_is_a_space_in_values_alone() {
        assert_eq!(decode_value("a+b%2B").as_deref(), Some("a b+"));
        assert_eq!(decode_segment("a+b").as_deref(), Some("a+b"));
    }
}
