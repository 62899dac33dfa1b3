//! Roles of v1: those of a tenant, those of a client, those of the cluster, and who holds one.

use actix_web::http::StatusCode;
use serde::Serialize;

use super::clients::VIEW;
use crate::domain::error::{Refusal, Shown};
use crate::domain::ids::{RoleId, RoleTypeId, TenantId};
use crate::domain::role::RoleScope;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::clients::page_of;
use crate::http::members::{Members, assigned_roles};
use crate::http::routes::Route;
use crate::http::views::Text;
use crate::service::built_in_roles::describe_cluster;
use crate::service::clients::Selection;
use crate::service::command::{Command, HeldRole, Outcome};
use crate::service::roles;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RoleView<'a> {
    id: Text<RoleId>,
    name: &'a str,
    description: Option<&'a str>,
    role_scope: u8,
    tenant_id: Option<Text<TenantId>>,
    /// There are no communities.
    community_id: Option<()>,
    role_type_id: Option<Text<RoleTypeId>>,
}

fn view(role: &HeldRole, tenant: Option<TenantId>) -> RoleView<'_> {
    match role {
        HeldRole::Tenant(role) => RoleView {
            id: Text(role.id),
            name: role.name.as_str(),
            description: role.description.as_ref().map(|text| text.as_str()),
            role_scope: RoleScope::Tenant as u8,
            tenant_id: tenant.map(Text),
            community_id: None,
            role_type_id: role.built_in.map(|kind| Text(kind.type_id())),
        },
        HeldRole::Cluster(role) => RoleView {
            id: Text(role.id()),
            name: describe_cluster(*role).name.as_str(),
            description: Some(describe_cluster(*role).description.as_str()),
            role_scope: RoleScope::Cluster as u8,
            tenant_id: None,
            community_id: None,
            role_type_id: Some(Text(role.type_id())),
        },
    }
}

fn path(tenant: TenantId) -> String {
    format!("/api/v1/Tenants/{tenant}/Roles")
}

pub fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let kind = call
        .query
        .one("roletypeid")?
        .filter(|text| !text.is_empty());
    let kind = kind.map(|text| {
        RoleTypeId::parse(text).ok_or_else(|| {
            Refusal::invalid(
                format!("The query parameter 'roleTypeId' is {}.", Shown(text)),
                "'roleTypeId' takes a GUID; those of the built-in roles are in their RoleTypeId.",
            )
        })
    });
    let kind = kind.transpose()?;
    let page = call.query.page()?;
    let tenant = call.tenant()?;
    let id = tenant.tenant().id;
    let found = roles::of_tenant(tenant, kind);
    call.list(
        page,
        &found,
        tenant.revision(),
        || path(id),
        |role| view(role, Some(id)),
    )
}

pub fn list_cluster(call: &Call<'_>) -> Result<Answer, Refusal> {
    let revision = call.service.directory.registry().revision();
    let found = roles::of_cluster();
    call.list(
        call.query.page()?,
        &found,
        revision,
        || "/api/v1/Roles".into(),
        |role| view(role, None),
    )
}

/// The roles that a client holds, on either of the two paths.
pub fn list_held(call: &Call<'_>, route: Route) -> Result<Answer, Refusal> {
    let page = call.query.page()?;
    let tenant = call.tenant()?;
    let id = tenant.tenant().id;
    let client = &call.client()?.client;
    let held = roles::held_by(tenant, client);
    let collection = match route {
        Route::ClientRolesAlias => "Clients",
        _ => "ClientCredentialClients",
    };
    let path = || format!("/api/v1/Tenants/{id}/{collection}/{}/Roles", client.id);
    call.list(page, &held, tenant.revision(), path, |role| {
        view(role, Some(id))
    })
}

pub async fn replace_held(call: &Call<'_>) -> Result<Answer, Refusal> {
    let role_ids = assigned_roles(&call.json()?)?;
    let tenant = call.tenant_id()?;
    let client = call.client_id()?;
    match call
        .write(Command::ReplaceClientRoles {
            tenant,
            client,
            role_ids,
        })
        .await?
    {
        Outcome::ClientRoles(held) => {
            let views: Vec<_> = held.iter().map(|role| view(role, Some(tenant))).collect();
            Ok(Answer::json(StatusCode::OK, &views).with_total(held.len()))
        }
        _ => Err(Refusal::internal()),
    }
}

pub fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let tenant = call.tenant()?;
    let id = call.role_id()?;
    let role = tenant.role(&id).ok_or_else(|| roles::no_role(id))?;
    let role = HeldRole::Tenant(role.clone());
    Ok(Answer::json(
        StatusCode::OK,
        &view(&role, Some(tenant.tenant().id)),
    ))
}

pub async fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let json = call.json()?;
    let members = Members::of(&json)?;
    let name = members.name("Name")?.ok_or_else(|| {
        Refusal::invalid("The role has no Name.", "Name takes 1 to 256 characters.")
    })?;
    let description = members.description("Description")?;
    let tenant = call.tenant_id()?;
    let outcome = call
        .write(Command::CreateRole {
            tenant,
            name,
            description,
        })
        .await?;
    let answer = answer_role(&outcome, tenant, StatusCode::CREATED)?;
    match outcome {
        Outcome::Role(role) => Ok(answer.with_location(&format!("{}/{}", path(tenant), role.id))),
        _ => Ok(answer),
    }
}

pub async fn update(call: &Call<'_>) -> Result<Answer, Refusal> {
    let json = call.json()?;
    let members = Members::of(&json)?;
    let name = members.name("Name")?;
    let description = members.description("Description")?;
    let tenant = call.tenant_id()?;
    let role = call.role_id()?;
    let outcome = call
        .write(Command::UpdateRole {
            tenant,
            role,
            name,
            description,
        })
        .await?;
    answer_role(&outcome, tenant, StatusCode::OK)
}

fn answer_role(outcome: &Outcome, tenant: TenantId, status: StatusCode) -> Result<Answer, Refusal> {
    match outcome {
        Outcome::Role(role) => Ok(Answer::json(
            status,
            &view(&HeldRole::Tenant(role.clone()), Some(tenant)),
        )),
        _ => Err(Refusal::internal()),
    }
}

pub async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let tenant = call.tenant_id()?;
    let role = call.role_id()?;
    match call.write(Command::DeleteRole { tenant, role }).await? {
        Outcome::Done => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        _ => Err(Refusal::internal()),
    }
}

/// The clients that hold a role of the tenant.
pub fn list_holders(call: &Call<'_>) -> Result<Answer, Refusal> {
    let page = call.query.page()?;
    let tenant = call.tenant()?;
    let id = call.role_id()?;
    let role = tenant.role(&id).ok_or_else(|| roles::no_role(id))?;
    let holders = tenant.with_role(&role.id).cloned().unwrap_or_default();
    let path = || format!("{}/{id}/ClientCredentialClients", path(tenant.tenant().id));
    page_of(call, &VIEW, page, Selection::Kept(holders), path)
}
