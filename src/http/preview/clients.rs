//! Clients of v1-preview: `ClientId` beside `Id`, no lifetime, a flat creation answer.

use actix_web::http::StatusCode;
use serde::Serialize;

use crate::domain::client::Client;
use crate::domain::error::Refusal;
use crate::domain::ids::TenantId;
use crate::domain::times::Timestamp;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::clients::{self, Created, View};
use crate::http::multi_status::Form;
use crate::http::views::{RoleIdTexts, TagTexts, Text, append};

static VIEW: View = View {
    ids: &["Id", "ClientId"],
    has_lifetime: false,
    has_tags: true,
    is_kept: false,
    child_errors: Form::Preview,
    write,
    path,
};

/// The path of the clients of a tenant.
pub fn path(tenant: TenantId) -> String {
    format!("/api/v1-preview/Tenants/{tenant}/ClientCredentialClients")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClientView<'a> {
    client_id: &'a str,
    id: &'a str,
    name: &'a str,
    enabled: bool,
    tags: TagTexts<'a>,
    role_ids: RoleIdTexts<'a>,
}

fn write(client: &Client, body: &mut Vec<u8>) {
    let view = ClientView {
        client_id: client.id.as_str(),
        id: client.id.as_str(),
        name: client.name.as_str(),
        enabled: client.enabled,
        tags: TagTexts(&client.tags),
        role_ids: RoleIdTexts(&client.role_ids),
    };
    append(body, &view);
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateResponse<'a> {
    secret_description: Option<&'a str>,
    secret_expiration_date: Option<Text<Timestamp>>,
    role_ids: RoleIdTexts<'a>,
    client_id: &'a str,
    id: &'a str,
    name: &'a str,
    enabled: bool,
    tags: TagTexts<'a>,
    client_secret: &'a str,
    secret_id: Text<i32>,
}

fn render_created(created: &Created) -> Answer {
    let client = created.client();
    let body = CreateResponse {
        secret_description: created.description(),
        secret_expiration_date: created.expiration(),
        role_ids: RoleIdTexts(&client.role_ids),
        client_id: client.id.as_str(),
        id: client.id.as_str(),
        name: client.name.as_str(),
        enabled: client.enabled,
        tags: TagTexts(&client.tags),
        client_secret: created.value(),
        secret_id: Text(created.secret_id()),
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
