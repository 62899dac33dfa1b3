//! Points in time as the API reads and writes them, to the nanosecond.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDateTime, SubsecRound, Timelike, Utc};

use super::error::{Refusal, Shown};

/// A point in time in UTC, between the years 0000 and 9999, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    pub const fn new(time: DateTime<Utc>) -> Self {
        Self(time)
    }

    /// Reads RFC 3339 with up to nine fraction digits; a time without an offset is UTC. The second
    /// 60 is taken where UTC can have a leap second, which is at the end of June and of December
    /// (RFC 3339 section 5.7).
    pub fn parse(member: &str, text: &str) -> Result<Self, Refusal> {
        let time = Self::parse_stored(member, text)?;
        if time.is_impossible_leap_second() {
            return Err(Refusal::invalid(
                format!(
                    "{member} {} is not a time: no leap second can be there.",
                    Shown(text)
                ),
                format!(
                    "{member} takes the second 60 only at 23:59:60Z of June 30 or December 31; elsewhere give 00 to 59."
                ),
            ));
        }
        Ok(time)
    }

    /// The same for what this service wrote itself: the second 60 at the end of any minute too,
    /// which it took before it knew where leap seconds can be.
    pub fn parse_stored(member: &str, text: &str) -> Result<Self, Refusal> {
        Self::read(text).ok_or_else(|| {
            Refusal::invalid(
                format!("{member} {} is not a time.", Shown(text)),
                format!(
                    "{member} takes a time of RFC 3339 such as 2027-01-31T08:00:00Z, with up to nine fraction digits."
                ),
            )
        })
    }

    fn read(text: &str) -> Option<Self> {
        if fraction_digits(text) > 9 {
            return None;
        }
        let time = match DateTime::parse_from_rfc3339(text) {
            Ok(time) => time.to_utc(),
            // Python and .NET write local times without an offset: those are read as UTC.
            Err(_) => without_offset(text)?.and_utc(),
        };
        (0..=9999).contains(&time.year()).then_some(Self(time))
    }

    fn is_impossible_leap_second(self) -> bool {
        let utc = self.0;
        let ends_half_a_year = matches!((utc.month(), utc.day()), (6, 30) | (12, 31))
            && (utc.hour(), utc.minute()) == (23, 59);
        utc.nanosecond() >= 1_000_000_000 && !ends_half_a_year
    }

    /// Whole seconds since 1970, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// The stored form: whole seconds since 1970 and nanoseconds (of a leap second: above 10^9).
    pub fn parts(self) -> (i64, u32) {
        (self.0.timestamp(), self.0.timestamp_subsec_nanos())
    }

    /// The inverse of [`Timestamp::parts`]; `None` where no time has these parts.
    pub fn from_parts(seconds: i64, nanoseconds: u32) -> Option<Self> {
        DateTime::from_timestamp(seconds, nanoseconds).map(Self)
    }

    /// The same time without its fraction of a second.
    pub fn whole_seconds(self) -> Self {
        Self(self.0.trunc_subsecs(0))
    }

    /// How long after another time it is; `None` where it is before that.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        (self.0 - earlier.0).to_std().ok()
    }

    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0 + chrono::Duration::seconds(seconds))
    }
}

fn fraction_digits(text: &str) -> usize {
    match text.split_once('.') {
        Some((_, rest)) => rest.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    }
}

fn without_offset(text: &str) -> Option<NaiveDateTime> {
    let separated_by_t = text
        .as_bytes()
        .get(10)
        .is_some_and(|b| b.eq_ignore_ascii_case(&b'T'));
    let four_digit_year = text.as_bytes().get(4) == Some(&b'-');
    if !(separated_by_t && four_digit_year) {
        return None;
    }
    DateTime::parse_from_rfc3339(&format!("{text}Z"))
        .ok()
        .map(|time| time.naive_utc())
}

/// RFC 3339 in UTC with `Z`; a fraction only where there is one, without trailing zeros.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%S"))?;
        let fraction = self.0.nanosecond() % 1_000_000_000;
        if fraction != 0 {
            let digits = format!("{fraction:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> Option<String> {
        Timestamp::parse("Expiration", text)
            .ok()
            .map(|time| time.to_string())
    }

    #[test]
    fn times_are_read_in_every_form_that_clients_write() {
        for (given, stored) in [
            ("2019-08-24T14:15:22Z", "2019-08-24T14:15:22Z"),
            (
                "2019-02-20T01:57:32.9770889-05:00",
                "2019-02-20T06:57:32.9770889Z",
            ),
            ("2027-01-01T00:00:00", "2027-01-01T00:00:00Z"),
            ("2027-01-01T00:00:00.500", "2027-01-01T00:00:00.5Z"),
            ("2027-01-01t00:00:00z", "2027-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                "9999-12-31T23:59:59.999999999Z",
            ),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60Z"),
            ("2015-06-30T23:59:60.5", "2015-06-30T23:59:60.5Z"),
            ("2016-12-31T18:59:60-05:00", "2016-12-31T23:59:60Z"),
        ] {
            assert_eq!(round_trip(given).as_deref(), Some(stored), "{given}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2027-01-01",
            "2027-13-01T00:00:00Z",
            "2027-01-01T25:00:00Z",
            "2027-01-01T00:00:00.1234567890Z",
            "9999-12-31T23:59:59-05:00",
            "+12027-01-01T00:00:00Z",
            "1735689600",
            "2027-01-01T12:34:60Z",
            "2027-06-30T23:58:60Z",
            "2027-06-29T23:59:60Z",
            "2027-03-31T23:59:60Z",
            "2027-12-31T23:59:60-05:00",
            "2027-01-01T12:34:60",
        ] {
            assert_eq!(round_trip(text), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_that_was_stored_anywhere_stays_readable() {
        let time = Timestamp::parse_stored("t", "2027-01-01T12:34:60.5Z").unwrap();
        assert_eq!(time.to_string(), "2027-01-01T12:34:60.5Z");
        let (seconds, nanoseconds) = time.parts();
        assert_eq!(Timestamp::from_parts(seconds, nanoseconds), Some(time));
    }

    #[test]
    fn parts_keep_every_nanosecond() {
        let time = Timestamp::parse("t", "2019-02-20T01:57:32.977088901Z").unwrap();
        let (seconds, nanoseconds) = time.parts();
        assert_eq!(Timestamp::from_parts(seconds, nanoseconds), Some(time));
    }
}
