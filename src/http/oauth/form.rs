//! The form of a token request, read strictly: what a parameter means must not depend on who
//! reads it.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::OauthError;
use crate::http::urlencoded::{decode_value, raw_pairs};

/// The largest form, in bytes.
pub const LARGEST: usize = 16 * 1024;

const MOST_PARAMETERS: usize = 100;

/// The parameters that the endpoint knows: none of them may be given twice (RFC 6749 section 3.2).
const KNOWN: [&str; 5] = [
    "grant_type",
    "client_id",
    "client_secret",
    "scope",
    "acr_values",
];

/// The known parameters of a form.
pub struct Form {
    values: [Option<String>; KNOWN.len()],
}

impl Form {
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, OauthError> {
        // Without a body there is nothing whose type could matter.
        if !body.is_empty() && !is_form(headers) {
            return Err(OauthError::invalid_request(
                "The body takes the type application/x-www-form-urlencoded.",
            ));
        }
        let broken = || OauthError::invalid_request("The form is not percent-encoded UTF-8.");
        let text = std::str::from_utf8(body).map_err(|_| broken())?;
        let mut values = [const { None }; KNOWN.len()];
        let mut seen = [false; KNOWN.len()];
        for (count, (name, value)) in raw_pairs(text).enumerate() {
            if count == MOST_PARAMETERS {
                return Err(OauthError::invalid_request(
                    "The form has over 100 parameters.",
                ));
            }
            let (name, value) = decode_value(name)
                .zip(decode_value(value))
                .ok_or_else(broken)?;
            let Some(known) = KNOWN.iter().position(|known| *known == name) else {
                continue;
            };
            if std::mem::replace(&mut seen[known], true) {
                return Err(OauthError::invalid_request("A parameter is given twice."));
            }
            // A parameter without a value is treated as if it were left out (section 3.2).
            if !value.is_empty() {
                values[known] = Some(value.into_owned());
            }
        }
        Ok(Self { values })
    }

    /// A known parameter.
    pub fn one(&self, name: &str) -> Option<&str> {
        let position = KNOWN.iter().position(|known| *known == name)?;
        self.values[position].as_deref()
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let plain = text(CONTENT_ENCODING).is_none_or(|coding| coding.eq_ignore_ascii_case("identity"));
    let kind = text(CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    plain && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl Drop for Form {
    fn drop(&mut self) {
        for value in self.values.iter_mut().flatten() {
            zeroize::Zeroize::zeroize(value);
        }
    }
}
