//! Clients of v1: lists, also by id, and one client.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use serde::Serialize;

use crate::domain::client::Client;
use crate::domain::error::{Kind, Refusal, Shown};
use crate::domain::ids::TenantId;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::clients::{self, Created, View};
use crate::http::multi_status::{Child, DAMAGED, Form, MultiStatus, count_damaged};
use crate::http::views::{RoleIdTexts, TagTexts, Text, append};
use crate::service::clients::{ById, by_ids};
use crate::service::command::{Command, Outcome};

/// What v1 shows of a client.
pub static VIEW: View = View {
    ids: &["Id"],
    has_lifetime: true,
    has_tags: true,
    is_kept: true,
    child_errors: Form::V1,
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

/// The clients of these ids; with some of them missing or damaged a multi-status answer. To HEAD a
/// missing one is a 404.
fn list_by_ids(call: &Call<'_>, ids: &[String]) -> Result<Answer, Refusal> {
    // Ignored here, but still read: nonsense is refused whatever it is for.
    call.query.page()?;
    let tenant = call.tenant()?;
    let selected = by_ids(tenant, ids, &call.query.tags()?);
    let ById {
        found,
        missing,
        damaged,
    } = &selected;
    let range = 0..found.len();
    let total = found.len() + damaged.len();
    if missing.is_empty() && damaged.is_empty() {
        let tag = call.etag(tenant.revision());
        let answer = call
            .not_modified(&tag)
            .unwrap_or_else(|| clients::show(call, found, range, &VIEW).with_etag(&tag));
        return Ok(answer.with_total(total));
    }
    if call.is_head() && !missing.is_empty() {
        return Ok(Answer::json_bytes(StatusCode::NOT_FOUND, Bytes::new()).with_total(total));
    }
    let partial = part_of(call, &selected, ids.len());
    Ok(clients::show_part(call, &partial, found, range, &VIEW).with_total(total))
}

/// What is told of those among `asked` ids that cannot be shown.
fn part_of<'a>(call: &Call<'a>, selected: &ById, asked: usize) -> MultiStatus<'a> {
    let ById {
        missing, damaged, ..
    } = selected;
    let mut reasons = Vec::with_capacity(2);
    if !missing.is_empty() {
        reasons.push(format!("{} of {asked} ids name no client.", missing.len()));
    }
    if !damaged.is_empty() {
        reasons.push(count_damaged(damaged.len(), "client"));
    }
    let error = match (missing.is_empty(), damaged.is_empty()) {
        (true, _) => DAMAGED,
        (false, true) => "Some of the clients could not be found.",
        (false, false) => "Some of the clients could not be found, and stored data is damaged.",
    };
    let children = missing.iter().map(|id| missing_child(id));
    let children = children.chain(damaged.iter().map(clients::damaged_child));
    MultiStatus::new(
        call,
        VIEW.child_errors,
        error,
        reasons.join(" "),
        children.collect(),
    )
}

fn missing_child(id: &str) -> Child {
    Child {
        model_id: id.to_owned(),
        refusal: Refusal::new(
            Kind::NotFound,
            "Not found.",
            format!("There is no client {} in this tenant.", Shown(id)),
            "Check the id; the list without ids shows what exists.",
        ),
    }
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
