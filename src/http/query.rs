//! The query of a request: names without regard to case, values strictly decoded.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::urlencoded::{decode_value, raw_pairs};
use crate::domain::error::{Refusal, Shown};
use crate::domain::page::Page;
use crate::domain::text::Tag;

/// The most ids that a list by ids takes.
const MOST_IDS: usize = 1_000;

/// The parameters of a query, decoded.
pub struct Query<'a> {
    raw: &'a str,
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Query<'a> {
    /// Decodes the query of a request whose header had the token: a second one here is refused
    /// (RFC 6750 section 2).
    pub fn parse(raw: &'a str) -> Result<Self, Refusal> {
        let decoded = raw_pairs(raw).map(|(name, value)| {
            let pair = decode_value(name).zip(decode_value(value));
            let (name, value) = pair.ok_or_else(|| {
                Refusal::invalid(
                    format!(
                        "The query parameter {} is not percent-encoded UTF-8.",
                        Shown(name)
                    ),
                    "Encode the values of the query as RFC 3986 says, in UTF-8.",
                )
            })?;
            Ok((name, value))
        });
        let pairs: Vec<_> = decoded.collect::<Result<_, Refusal>>()?;
        if pairs
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("access_token"))
        {
            return Err(Refusal::invalid(
                "There is an access_token in the query beside the Authorization header.",
                "Send the token in the Authorization header alone.",
            ));
        }
        Ok(Self { raw, pairs })
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }

    /// A parameter that may be given once.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Refusal::invalid(
                format!("The query parameter '{name}' is given more than once."),
                format!("Give '{name}' once."),
            ));
        }
        Ok(first)
    }

    /// `skip` and `count`. A number beyond all measure is as good as the largest.
    pub fn page(&self) -> Result<Page, Refusal> {
        Ok(Page {
            skip: self.number("skip", Page::DEFAULT.skip)?,
            count: self.number("count", Page::DEFAULT.count)?,
        })
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, Refusal> {
        match self.one(name)? {
            None => Ok(default),
            Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(text.parse().unwrap_or(u64::MAX))
            }
            Some(text) => Err(Refusal::invalid(
                format!("The query parameter '{name}' is {}.", Shown(text)),
                format!("'{name}' takes a whole number from 0 up."),
            )),
        }
    }

    /// The tags that a client must have, each once.
    pub fn tags(&self) -> Result<Vec<Tag>, Refusal> {
        let mut tags = Vec::new();
        for text in self.all("tag") {
            let tag = Tag::parse("The query parameter 'tag'", text)?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    /// The ids asked for, each once, without blank ones; `None` if that leaves none.
    pub fn ids(&self) -> Result<Option<Vec<String>>, Refusal> {
        let mut seen = std::collections::HashSet::new();
        let ids: Vec<String> = self
            .all("id")
            .filter(|id| !id.trim().is_empty())
            .filter(|id| {
                let known = crate::domain::ids::ClientId::parse(id);
                seen.insert(known.map_or_else(|| (*id).to_owned(), |id| id.as_str().to_owned()))
            })
            .map(str::to_owned)
            .collect();
        if ids.len() > MOST_IDS {
            return Err(Refusal::invalid(
                format!("The query names {} ids.", ids.len()),
                format!("A list by ids takes at most {MOST_IDS}; ask in parts."),
            ));
        }
        Ok((!ids.is_empty()).then_some(ids))
    }

    /// Appends the query of another page: everything as it was, with other numbers.
    pub fn write_with_page(&self, page: Page, query: &mut String) {
        let paging = |name: &str| {
            decode_value(name).is_some_and(|name| {
                name.eq_ignore_ascii_case("skip") || name.eq_ignore_ascii_case("count")
            })
        };
        for (name, value) in raw_pairs(self.raw).filter(|(name, _)| !paging(name)) {
            for text in [name, "=", value, "&"] {
                query.push_str(text);
            }
        }
        // Text takes whatever is written to it.
        let _ = write!(query, "skip={}&count={}", page.skip, page.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_as_large_as_you_like() {
        let page = |raw| Query::parse(raw).unwrap().page();
        assert_eq!(page("SKIP=2&Count=3").unwrap(), Page { skip: 2, count: 3 });
        assert_eq!(
            page("count=99999999999999999999999").unwrap().count,
            u64::MAX
        );
        for raw in [
            "skip=-1",
            "skip=",
            "count=1.0",
            "count=ten",
            "skip=1&skip=1",
            "skip=%31%20",
        ] {
            assert!(page(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn the_next_page_keeps_every_filter() {
        let query = Query::parse("tag=a%26b&skip=5&Tag=c&COUNT=2").unwrap();
        let mut next = String::new();
        query.write_with_page(Page { skip: 7, count: 2 }, &mut next);
        assert_eq!(next, "tag=a%26b&Tag=c&skip=7&count=2");
    }

    #[test]
    fn blank_and_repeated_ids_do_not_count() {
        let ids = |raw| Query::parse(raw).unwrap().ids().unwrap();
        assert_eq!(ids("id=&id=+&ID="), None);
        assert_eq!(ids("id=a&id=a&id=b"), Some(vec!["a".into(), "b".into()]));
    }
}
