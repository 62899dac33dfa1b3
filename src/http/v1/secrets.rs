//! Secrets of v1, and the reading of them that v1-preview shares.

use actix_web::http::StatusCode;
use serde::Serialize;

use crate::domain::error::{Refusal, Shown};
use crate::domain::ids::{ClientId, SecretId};
use crate::domain::secret::Secret;
use crate::domain::times::Timestamp;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::members::Members;
use crate::http::views::{Text, time};
use crate::service::command::{Command, NewSecret, Outcome, SecretUpdate};
use crate::service::decide::secret_of;
use crate::tokens::secret::PlainSecret;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    id: i32,
    description: Option<&'a str>,
    expiration: Option<Text<Timestamp>>,
    expires: bool,
}

fn view<'a>(secret: &'a Secret, value: Option<&'a PlainSecret>) -> SecretView<'a> {
    SecretView {
        secret: value.map(PlainSecret::expose),
        id: secret.id.0,
        description: secret.description.as_ref().map(|text| text.as_str()),
        expiration: time(secret.expiration),
        expires: secret.expiration.is_some(),
    }
}

fn path(call: &Call<'_>, client: &ClientId) -> Result<String, Refusal> {
    Ok(format!(
        "{}/{client}/Secrets",
        super::clients::path(call.tenant_id()?)
    ))
}

pub fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let page = call.query.page()?;
    let record = call.client()?;
    let path = path(call, &record.client.id)?;
    let revision = call.tenant()?.revision();
    call.list(
        page,
        &record.secrets.secrets,
        revision,
        || path,
        |secret| view(secret, None),
    )
}

/// The secret of the path.
pub fn find<'a>(call: &'a Call<'_>) -> Result<&'a Secret, Refusal> {
    secret_of(call.client()?, call.secret_id()?)
}

pub fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json(StatusCode::OK, &view(find(call)?, None)))
}

pub async fn add(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (secret, value) = add_secret(call).await?;
    let path = path(call, &call.client_id()?)?;
    Ok(
        Answer::json(StatusCode::CREATED, &view(&secret, Some(&value)))
            .with_location(&format!("{path}/{}", secret.id))
            .never_stored(),
    )
}

/// Adds the secret that the body describes.
pub async fn add_secret(call: &Call<'_>) -> Result<(Secret, PlainSecret), Refusal> {
    let json = call.json()?;
    let members = Members::of(&json)?;
    let new = NewSecret {
        description: members.description("Description")?,
        expiration: members.time("Expiration")?,
        expires: members.boolean("Expires")?,
    };
    let tenant = call.tenant_id()?;
    let client = call.client_id()?;
    match call
        .write(Command::AddSecret {
            tenant,
            client,
            new,
        })
        .await?
    {
        Outcome::SecretAdded { secret, value } => Ok((secret, value)),
        _ => Err(Refusal::internal()),
    }
}

pub async fn update(call: &Call<'_>) -> Result<Answer, Refusal> {
    let secret = update_secret(call, &["Id"]).await?;
    Ok(Answer::json(StatusCode::OK, &view(&secret, None)))
}

/// Updates the secret of the path with what the body says. `ids` are the members that may name it.
pub async fn update_secret(call: &Call<'_>, ids: &[&str]) -> Result<Secret, Refusal> {
    let json = call.json()?;
    let members = Members::of(&json)?;
    let path = call.secret_id();
    for member in ids {
        if let (Some(named), Ok(id)) = (members.spelled(member)?, &path)
            && SecretId::parse(&named) != Some(*id)
        {
            return Err(Refusal::invalid(
                format!("{member} is {}, the path names secret {id}.", Shown(&named)),
                format!(
                    "The id of a secret cannot change: leave {member} out, or let the two agree."
                ),
            ));
        }
    }
    let update = SecretUpdate {
        description: members.description("Description")?,
        expiration: members.time("Expiration")?,
        expires: members.boolean("Expires")?,
    };
    let tenant = call.tenant_id()?;
    let client = call.client_id()?;
    let secret = path?;
    match call
        .write(Command::UpdateSecret {
            tenant,
            client,
            secret,
            update,
        })
        .await?
    {
        Outcome::Secret(secret) => Ok(secret),
        _ => Err(Refusal::internal()),
    }
}

/// Deletes a secret; the same in every generation that can.
pub async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let tenant = call.tenant_id()?;
    let client = call.client_id()?;
    let secret = call.secret_id()?;
    match call
        .write(Command::DeleteSecret {
            tenant,
            client,
            secret,
        })
        .await?
    {
        Outcome::Done => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        _ => Err(Refusal::internal()),
    }
}
