//! The values that a member of a body does not take, by what the member is.

use serde_json::{Value, json};

use super::{CLIENT, Ground, unknown};

/// What a member is, which decides what it does not take.
#[derive(Clone, Copy, Debug)]
pub enum Sort {
    ClientId,
    TenantId,
    Name,
    Boolean,
    Lifetime,
    Tags,
    RoleIds,
    Description,
    Time,
    Alias,
    /// The id of a secret that the path names already.
    SecretId,
}

use Sort::{Alias, Boolean, Description, Lifetime, Name, RoleIds, Tags, Time};

/// The values that a member does not take, and what the resolution then says, one of these.
pub fn refused(sort: Sort, ground: &Ground) -> (Value, &'static [&'static str]) {
    let long = |length| "x".repeat(length);
    let braced = format!("{{{CLIENT}}}");
    match sort {
        Sort::ClientId => (
            json!([
                7,
                true,
                [],
                {},
                "",
                " ",
                ".",
                "..",
                "a/b",
                "a b",
                "ä",
                "a\r\nX: y",
                "\u{0}",
                "a%41",
                "a\u{2028}b",
                long(65),
                braced
            ]),
            &["1 to 64 characters", "a string"],
        ),
        Sort::TenantId => (
            json!([
                7,
                false,
                [],
                {},
                "",
                "acme",
                "..",
                braced,
                "2dc742ab-0000-4fc0-a39e-2bcb71c26a5",
                "x\r\ny"
            ]),
            &["a GUID", "a string"],
        ),
        Name => (
            json!([
                7,
                true,
                [],
                {},
                "",
                " ",
                "\u{a0}\u{2003}",
                "\t",
                "a\r\nb",
                "a\u{0}",
                "\u{1b}[31mred",
                "a\u{85}b",
                long(257),
                "🏭".repeat(257),
                long(100_000)
            ]),
            &["1 to 256 characters", "a string"],
        ),
        Boolean => (json!(["true", 1, 0, [], {}, ""]), &["true or false"]),
        Lifetime => (
            json!([
                59,
                3_601,
                0,
                -1,
                60.5,
                "3600",
                true,
                [],
                {},
                1e300,
                u64::MAX,
                i64::MIN,
                65_536 + 60
            ]),
            &["from 60 to 3600"],
        ),
        Tags => (
            json!([
                "a",
                7,
                {},
                false,
                [7],
                [null],
                ["a", ["b"]],
                ["a", ""],
                ["a\nb"],
                ["\u{7f}"],
                [long(129)],
                (0..51).map(|n| n.to_string()).collect::<Vec<_>>()
            ]),
            &["1 to 128 characters", "an array of strings", "at most 50"],
        ),
        RoleIds => (
            json!([
                "a",
                7,
                {},
                true,
                [7],
                [null],
                [""],
                ["no-guid"],
                ["a\r\nb"],
                [ground.member, braced],
                [ground.member, unknown()],
                [],
                [ground.role],
                [ground.member, [ground.role]],
                guids(51)
            ]),
            &["Roles", "an array of role ids", "at most 50", "Member"],
        ),
        Description => (
            json!([
                7,
                true,
                [],
                {},
                "a\u{0}",
                "\u{1b}[2J",
                long(1_025),
                "é".repeat(513)
            ]),
            &["at most 1024 bytes", "a string"],
        ),
        Time => (
            json!([
                7,
                1_900_000_000,
                true,
                [],
                {},
                "",
                "tomorrow",
                "2031-01-01",
                "2031-02-30T00:00:00Z",
                "2031-01-01T00:00:00.1234567890Z",
                "+12031-01-01T00:00:00Z",
                "2031-01-01T00:00:00Z\r\n",
                "2030-06-01T12:00:00Z",
                "2020-01-01T00:00:00Z",
                "0000-01-01T00:00:00Z",
                "10000-01-01T00:00:00Z",
                "9999-12-31T23:59:59-05:00"
            ]),
            &["a time"],
        ),
        Alias => (
            json!([
                7,
                true,
                [],
                {},
                "",
                " ",
                "a b",
                "a_b",
                "ä",
                "a\r\nb",
                "a/b",
                long(65)
            ]),
            &["1 to 64 characters", "a string"],
        ),
        Sort::SecretId => (
            json!([
                2,
                "2",
                1.0,
                "01",
                true,
                [],
                {},
                "",
                "1\r\n",
                -1,
                4_294_967_297_u64
            ]),
            &["cannot change", "a string or a number"],
        ),
    }
}

/// So many different ids of roles that nobody has.
pub fn guids(many: usize) -> Value {
    (0..many)
        .map(|n| format!("99999999-9999-4999-8999-{n:012}"))
        .collect()
}

/// The start of a value as an error may show it, where it must be recognised.
pub fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let safe = text.chars().take_while(char::is_ascii_graphic);
            Some(safe.take(80).collect())
        }
        Value::Bool(_) => Some(value.to_string()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Array(items) if items.is_empty() => None,
        _ => None,
    }
}
