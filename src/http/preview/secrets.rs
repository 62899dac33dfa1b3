//! Secrets of v1-preview: both ids the same string, both values the same.

use actix_web::http::StatusCode;
use serde::Serialize;

use crate::domain::error::Refusal;
use crate::domain::ids::SecretId;
use crate::domain::secret::Secret;
use crate::domain::times::Timestamp;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::multi_status::Form;
use crate::http::v1::secrets::{add_secret, find, list_of, update_secret};
use crate::http::views::{Text, time};
use crate::tokens::secret::PlainSecret;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    secret_id: Text<SecretId>,
    id: Text<SecretId>,
    description: Option<&'a str>,
    expiration: Option<Text<Timestamp>>,
    expires: bool,
}

fn view<'a>(secret: &'a Secret, value: Option<&'a PlainSecret>) -> SecretView<'a> {
    let value = value.map(PlainSecret::expose);
    SecretView {
        client_secret: value,
        secret: value,
        secret_id: Text(secret.id),
        id: Text(secret.id),
        description: secret.description.as_ref().map(|text| text.as_str()),
        expiration: time(secret.expiration),
        expires: secret.expiration.is_some(),
    }
}

fn path(call: &Call<'_>) -> Result<String, Refusal> {
    let clients = super::clients::path(call.tenant_id()?);
    Ok(format!("{clients}/{}/Secrets", call.client_id()?))
}

pub fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    list_of(call, Form::Preview, super::clients::path, |secret| {
        view(secret, None)
    })
}

pub fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json(StatusCode::OK, &view(find(call)?, None)))
}

pub async fn add(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (secret, value) = add_secret(call).await?;
    Ok(
        Answer::json(StatusCode::CREATED, &view(&secret, Some(&value)))
            .with_location(&format!("{}/{}", path(call)?, secret.id))
            .never_stored(),
    )
}

pub async fn update(call: &Call<'_>) -> Result<Answer, Refusal> {
    let secret = update_secret(call, &["SecretId", "Id"]).await?;
    Ok(Answer::json(StatusCode::OK, &view(&secret, None)))
}
