//! The oldest generation, `/api/Tenants/{tenantId}/ClientCredentialClient/`: `ClientId` alone, no
//! tags, no lifetime. Converts in and out, and holds no logic.

use actix_web::http::StatusCode;
use serde::Serialize;

use super::answer::Answer;
use super::call::Call;
use super::clients::{self, Created, View};
use super::multi_status::Form;
use super::views::{RoleIdTexts, Text, append};
use crate::domain::client::Client;
use crate::domain::error::Refusal;
use crate::domain::ids::TenantId;
use crate::domain::times::Timestamp;

static VIEW: View = View {
    ids: &["ClientId"],
    has_lifetime: false,
    has_tags: false,
    is_kept: false,
    child_errors: Form::Legacy,
    write,
    path,
};

fn path(tenant: TenantId) -> String {
    format!("/api/Tenants/{tenant}/ClientCredentialClient")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClientView<'a> {
    role_ids: RoleIdTexts<'a>,
    client_id: &'a str,
    name: &'a str,
    enabled: bool,
}

fn write(client: &Client, body: &mut Vec<u8>) {
    let view = ClientView {
        role_ids: RoleIdTexts(&client.role_ids),
        client_id: client.id.as_str(),
        name: client.name.as_str(),
        enabled: client.enabled,
    };
    append(body, &view);
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateResponse<'a> {
    client_secret: &'a str,
    secret_id: i32,
    secret_description: Option<&'a str>,
    secret_expiration_date: Option<Text<Timestamp>>,
    role_ids: RoleIdTexts<'a>,
    client_id: &'a str,
    name: &'a str,
    enabled: bool,
}

fn render_created(created: &Created) -> Answer {
    let client = created.client();
    let body = CreateResponse {
        client_secret: created.value(),
        secret_id: created.secret_id(),
        secret_description: created.description(),
        secret_expiration_date: created.expiration(),
        role_ids: RoleIdTexts(&client.role_ids),
        client_id: client.id.as_str(),
        name: client.name.as_str(),
        enabled: client.enabled,
    };
    Answer::json(StatusCode::CREATED, &body)
}

pub fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    clients::list(call, &VIEW)
}

pub async fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    clients::create(call, &VIEW, render_created).await
}

pub fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    clients::get(call, &VIEW)
}

pub async fn update(call: &Call<'_>) -> Result<Answer, Refusal> {
    clients::update(call, &VIEW).await
}
