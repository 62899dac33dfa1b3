//! Clients of v1: lists, also by id, and one client.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::client::Client;
use crate::domain::error::{Refusal, Shown};
use crate::domain::ids::TenantId;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::clients::{self, Created, View};
use crate::http::views::{RoleIdTexts, TagTexts, Text, append};
use crate::service::clients::by_ids;
use crate::service::command::{Command, Outcome};

/// What v1 shows of a client.
pub static VIEW: View = View {
    ids: &["Id"],
    has_lifetime: true,
    has_tags: true,
    write,
    path,
};

/// The path of the clients of a tenant.
pub fn path(tenant: TenantId) -> String {
    format!("/api/v1/Tenants/{tenant}/ClientCredentialClients")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClientView<'a> {
    id: &'a str,
    name: &'a str,
    enabled: bool,
    access_token_lifetime: u16,
    tags: TagTexts<'a>,
    role_ids: RoleIdTexts<'a>,
}

fn view(client: &Client) -> ClientView<'_> {
    ClientView {
        id: client.id.as_str(),
        name: client.name.as_str(),
        enabled: client.enabled,
        access_token_lifetime: client.token_lifetime.seconds(),
        tags: TagTexts(&client.tags),
        role_ids: RoleIdTexts(&client.role_ids),
    }
}

fn write(client: &Client, body: &mut Vec<u8>) {
    append(body, &view(client));
}

pub fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    match call.query.ids()? {
        None => clients::list(call, &VIEW),
        Some(ids) => list_by_ids(call, &ids),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChildError<'a> {
    operation_id: &'a str,
    error: &'a str,
    reason: String,
    resolution: &'a str,
    status_code: u16,
    model_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MultiStatusResponse<'a> {
    operation_id: &'a str,
    error: &'a str,
    reason: String,
    child_errors: Vec<ChildError<'a>>,
    data: &'a RawValue,
}

/// The clients of these ids; with some of them missing, a multi-status answer, and to HEAD a 404.
fn list_by_ids(call: &Call<'_>, ids: &[String]) -> Result<Answer, Refusal> {
    // Ignored here, but still read: nonsense is refused whatever it is for.
    call.query.page()?;
    let tenant = call.tenant()?;
    let selected = by_ids(tenant, ids, &call.query.tags()?);
    let total = selected.found.len();
    let data = clients::array(&selected.found.slice(0..total), &VIEW);
    if selected.missing.is_empty() {
        let tag = call.etag(tenant.revision());
        let answer = call
            .not_modified(&tag)
            .unwrap_or_else(|| Answer::json_bytes(StatusCode::OK, data.into()).with_etag(&tag));
        return Ok(answer.with_total(total));
    }
    if call.is_head() {
        return Ok(Answer::json_bytes(StatusCode::NOT_FOUND, Bytes::new()).with_total(total));
    }
    let data = String::from_utf8(data)
        .ok()
        .and_then(|json| RawValue::from_string(json).ok());
    let child_errors = selected.missing.iter().map(|id| ChildError {
        operation_id: call.operation_id,
        error: "Not found.",
        reason: format!("There is no client {} in this tenant.", Shown(id)),
        resolution: "Check the id; the list without ids shows what exists.",
        status_code: StatusCode::NOT_FOUND.as_u16(),
        model_id: id,
    });
    let body = MultiStatusResponse {
        operation_id: call.operation_id,
        error: "Some of the clients could not be found.",
        reason: format!(
            "{} of {} ids name no client.",
            selected.missing.len(),
            ids.len()
        ),
        child_errors: child_errors.collect(),
        data: data.as_deref().ok_or_else(Refusal::internal)?,
    };
    Ok(Answer::json(StatusCode::MULTI_STATUS, &body).with_total(total))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateResponse<'a> {
    secret: &'a str,
    id: i32,
    description: Option<&'a str>,
    expiration_date: Option<Text<crate::domain::times::Timestamp>>,
    client: ClientView<'a>,
}

pub async fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    clients::create(call, &VIEW, render_created).await
}

fn render_created(created: &Created) -> Answer {
    let body = CreateResponse {
        secret: created.value(),
        id: created.secret_id(),
        description: created.description(),
        expiration_date: created.expiration(),
        client: view(created.client()),
    };
    Answer::json(StatusCode::CREATED, &body)
}

pub fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    clients::get(call, &VIEW)
}

pub async fn update(call: &Call<'_>) -> Result<Answer, Refusal> {
    clients::update(call, &VIEW).await
}

/// Deletes a client; the same in every generation that can.
pub async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let command = Command::DeleteClient {
        tenant: call.tenant_id()?,
        client: call.client_id()?,
        condition: call.condition(),
    };
    match call.write(command).await? {
        Outcome::Done => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        _ => Err(Refusal::internal()),
    }
}
