//! The members of a JSON body, read one by one into the types of the domain.
//!
//! Absent and null are the same. Unknown members are never looked at.

use crate::domain::client::{RoleIds, Tags, TokenLifetime};
use crate::domain::error::{Refusal, Shown};
use crate::domain::ids::RoleId;
use crate::domain::text::{Description, Name, Tag};
use crate::domain::times::Timestamp;
use crate::json::{Json, JsonError, Names, Object};

/// A body, read. An empty one is not JSON either.
pub fn read(body: &[u8]) -> Result<Json, Refusal> {
    Json::read(body, Names::CaseInsensitive).map_err(|error: JsonError| {
        let reason = match body.is_empty() {
            true => "The body is empty.".to_owned(),
            false => format!("The body cannot be read as JSON: {error}"),
        };
        Refusal::invalid(
            reason,
            "Send one JSON value in UTF-8, with each member once.",
        )
    })
}

/// The members of an object.
pub struct Members<'a>(&'a Object);

impl<'a> Members<'a> {
    pub fn of(json: &'a Json) -> Result<Self, Refusal> {
        match json {
            Json::Object(object) => Ok(Self(object)),
            other => Err(Refusal::invalid(
                format!("The body is {}.", sort_of(other)),
                "The body takes a JSON object.",
            )),
        }
    }

    fn get(&self, member: &str) -> Option<&'a Json> {
        self.0
            .get(member)
            .filter(|value| !matches!(value, Json::Null))
    }

    pub fn text(&self, member: &str) -> Result<Option<&'a str>, Refusal> {
        match self.get(member) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(member, other, "a string")),
        }
    }

    pub fn boolean(&self, member: &str) -> Result<Option<bool>, Refusal> {
        match self.get(member) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(wrong_type(member, other, "true or false")),
        }
    }

    pub fn name(&self, member: &str) -> Result<Option<Name>, Refusal> {
        self.text(member)?
            .map(|text| Name::parse(member, text))
            .transpose()
    }

    pub fn description(&self, member: &str) -> Result<Option<Description>, Refusal> {
        self.text(member)?
            .map(|text| Description::parse(member, text))
            .transpose()
    }

    pub fn time(&self, member: &str) -> Result<Option<Timestamp>, Refusal> {
        match self.get(member) {
            None => Ok(None),
            Some(Json::String(text)) => Timestamp::parse(member, text).map(Some),
            Some(other) => Err(wrong_type(member, other, "a time of RFC 3339 in a string")),
        }
    }

    pub fn token_lifetime(&self, member: &str) -> Result<Option<TokenLifetime>, Refusal> {
        let Some(value) = self.get(member) else {
            return Ok(None);
        };
        let lifetime = value.as_integer().and_then(TokenLifetime::new);
        lifetime.map(Some).ok_or_else(|| {
            let allowed = format!(
                "a whole number of seconds from {} to {}",
                TokenLifetime::SHORTEST,
                TokenLifetime::LONGEST
            );
            wrong_type(member, value, &allowed)
        })
    }

    fn array(&self, member: &str, of: &str) -> Result<Option<&'a [Json]>, Refusal> {
        match self.get(member) {
            None => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong_type(member, other, of)),
        }
    }

    pub fn tags(&self, member: &str) -> Result<Option<Tags>, Refusal> {
        const OF: &str = "an array of strings";
        let Some(items) = self.array(member, OF)? else {
            return Ok(None);
        };
        let tags = items.iter().map(|item| match item {
            Json::String(text) => Tag::parse(member, text),
            other => Err(wrong_type(member, other, OF)),
        });
        Tags::new(tags.collect::<Result<Vec<_>, _>>()?).map(Some)
    }

    pub fn role_ids(&self, member: &str) -> Result<Option<RoleIds>, Refusal> {
        const OF: &str = "an array of role ids";
        let Some(items) = self.array(member, OF)? else {
            return Ok(None);
        };
        let ids = items.iter().map(|item| match item {
            Json::String(text) => role_id(member, text),
            other => Err(wrong_type(member, other, OF)),
        });
        RoleIds::new(ids.collect::<Result<Vec<_>, _>>()?).map(Some)
    }

    /// A text or a number, as it is written: the platform writes secret ids both ways.
    pub fn spelled(&self, member: &str) -> Result<Option<String>, Refusal> {
        match self.get(member) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(Json::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(wrong_type(member, other, "a string or a number")),
        }
    }
}

/// The roles that `PUT …/Roles` is given: Role objects, of which only `Id` is read, or plain ids.
pub fn assigned_roles(json: &Json) -> Result<RoleIds, Refusal> {
    const OF: &str = "an array of Role objects, or of role ids";
    let Json::Array(items) = json else {
        return Err(wrong_type("The body", json, OF));
    };
    let ids = items.iter().map(|item| match item {
        Json::String(text) => role_id("The body", text),
        Json::Object(_) => match Members::of(item)?.text("Id")? {
            Some(text) => role_id("Id", text),
            None => Err(Refusal::invalid(
                "A Role object has no Id.",
                "Give each Role with the Id that GET …/Roles shows.",
            )),
        },
        other => Err(wrong_type("The body", other, OF)),
    });
    RoleIds::new(ids.collect::<Result<Vec<_>, _>>()?)
}

fn role_id(member: &str, text: &str) -> Result<RoleId, Refusal> {
    RoleId::parse(text).ok_or_else(|| {
        Refusal::invalid(
            format!(
                "{member} names {}, which is no role of this tenant.",
                Shown(text)
            ),
            "A role id is a GUID, with or without hyphens; GET …/Roles lists them.",
        )
    })
}

fn wrong_type(member: &str, value: &Json, allowed: &str) -> Refusal {
    Refusal::invalid(
        format!("{member} is {}.", sort_of(value)),
        format!("{member} takes {allowed}."),
    )
}

fn sort_of(value: &Json) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => format!("the number {number}"),
        Json::String(text) => format!("the string {}", Shown(text)),
        Json::Array(_) => "an array".into(),
        Json::Object(_) => "an object".into(),
    }
}
