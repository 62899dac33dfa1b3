//! The one error of the domain: a refusal that tells a person what failed, why, and what to do.
//!
//! It knows nothing of HTTP: `http::errors` maps each kind to a status, in one place.

/// What sort of refusal it is. Each has exactly one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The input cannot be accepted as it is.
    Invalid,
    /// A limit of the service would be exceeded.
    LimitExceeded,
    /// No credentials were given.
    Unauthenticated,
    /// Credentials were given and are not valid.
    InvalidToken,
    /// The caller is known and may not do this.
    Forbidden,
    /// The object named in the path does not exist.
    NotFound,
    /// The method is not one of the route's.
    MethodNotAllowed,
    /// The deadline passed before the work began; nothing was done.
    TimedOut,
    /// The state does not allow it now.
    Conflict,
    /// `If-Match` does not hold.
    PreconditionFailed,
    /// The body is larger than allowed.
    TooLarge,
    /// The body is not of a type that can be read.
    UnsupportedMediaType,
    /// The service cannot do it at this moment.
    Unavailable,
    /// Something inside failed; the cause is in the log, never in the answer.
    Internal,
}

/// Why something was refused, in words for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    /// What failed, as a short sentence that is the same for every occurrence.
    pub error: &'static str,
    /// Why: names the offending value.
    pub reason: String,
    /// What to do: names what is allowed.
    pub resolution: String,
}

impl Refusal {
    pub fn new(
        kind: Kind,
        error: &'static str,
        reason: impl Into<String>,
        resolution: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            error,
            reason: reason.into(),
            resolution: resolution.into(),
        }
    }

    /// Input that cannot be accepted.
    pub fn invalid(reason: impl Into<String>, resolution: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, "The input is not valid.", reason, resolution)
    }

    /// An object that does not exist: `what` names it, such as `client 'pump-1'`.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(
            Kind::NotFound,
            "Not found.",
            format!("There is no {what}."),
            "Check the identifier in the path; a list shows what exists.",
        )
    }

    /// A failure inside. The cause goes to the log where it is noticed, not here.
    pub fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "Internal server error.",
            "The service failed to do this; the cause is in its log.",
            "Ask the operator to look up this OperationId in the log.",
        )
    }

    /// A caller who may not do this. `needed` names who may.
    pub fn forbidden(reason: impl Into<String>, needed: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, "Forbidden.", reason, needed)
    }
}

/// A value as it may be repeated in an error: short, and with nothing that could break a line,
/// turn its direction or hide in it.
#[derive(Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const LONGEST: usize = 80;
        f.write_str("'")?;
        for (position, character) in self.0.chars().enumerate() {
            if position == LONGEST {
                f.write_str("…")?;
                break;
            }
            if misleads(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        f.write_str("'")
    }
}

/// Whether a character changes how the text around it is shown, or is not seen itself.
fn misleads(character: char) -> bool {
    let invisible = matches!(character,
        // Soft hyphen, and the marks of Arabic and Mongolian that have no width.
        '\u{AD}' | '\u{61C}' | '\u{180E}'
        // Without width, marks of direction, ends of lines and paragraphs, embeddings, overrides.
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        // Joiners, isolates, and the byte order mark.
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    character.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_turns_or_hides_text_is_escaped() {
        let marks = ('\u{200B}'..='\u{200F}')
            .chain('\u{2028}'..='\u{202E}')
            .chain('\u{2060}'..='\u{2069}')
            .chain([
                '\n', '\u{1B}', '\u{85}', '\u{AD}', '\u{61C}', '\u{180E}', '\u{FEFF}',
            ]);
        for mark in marks {
            let shown = Shown(&format!("a{mark}b")).to_string();
            assert_eq!(shown, format!("'a{}b'", mark.escape_unicode()));
        }
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["", "Größe \"&\"", "шлюз", "水泵 – 1", "مضخة", "🦀"] {
            assert_eq!(Shown(text).to_string(), format!("'{text}'"));
        }
    }
}
