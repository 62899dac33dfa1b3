//! Tenants: one tenant for its members, all of them for the operators.

use actix_web::http::StatusCode;
use serde::Serialize;

use crate::domain::error::{Refusal, Shown};
use crate::domain::ids::TenantId;
use crate::domain::tenant::Tenant;
use crate::domain::text::Alias;
use crate::domain::times::Timestamp;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::members::Members;
use crate::http::multi_status::{Child, Form, MultiStatus};
use crate::http::views::Text;
use crate::service::command::{Command, NewTenant, Outcome};
use crate::service::decide::damaged_tenant;

/// The platform's number for a tenant in use.
const ACTIVE: u8 = 1;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TenantView<'a> {
    id: Text<TenantId>,
    company_name: &'a str,
    state: u8,
    created: Text<Timestamp>,
    last_updated: Text<Timestamp>,
    alias: Option<&'a str>,
}

fn view(tenant: &Tenant) -> TenantView<'_> {
    TenantView {
        id: Text(tenant.id),
        company_name: tenant.company_name.as_str(),
        state: ACTIVE,
        created: Text(tenant.created),
        last_updated: Text(tenant.last_updated),
        alias: tenant.alias.as_ref().map(Alias::as_str),
    }
}

pub fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    const PATH: &str = "/api/v1/Tenants";
    let page = call.query.page()?;
    let registry = call.service.directory.registry();
    let total = registry.tenants().len();
    let damaged = registry.damaged();
    let tag = call.etag(registry.revision());
    if damaged.is_empty()
        && let Some(answer) = call.not_modified(&tag)
    {
        return Ok(answer.with_total(total));
    }
    let tenants: Vec<_> = registry
        .tenants()
        .slice(page.range(total))
        .map(|tenant| view(tenant))
        .collect();
    let answer = match damaged.is_empty() {
        true => Answer::json(StatusCode::OK, &tenants).with_etag(&tag),
        false => {
            let children = damaged.iter().map(|id| Child {
                model_id: id.to_string(),
                refusal: damaged_tenant(*id),
            });
            MultiStatus::of_damaged(call, Form::V1, "tenant", children.collect()).answer(&tenants)
        }
    };
    Ok(answer
        .with_total(total + damaged.len())
        .with_next(call.next(page, total, || PATH.into())))
}

/// One tenant. That it exists is told to HEAD with 204, as the platform does.
pub fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let tenant = call.tenant()?.tenant();
    let tag = call.etag(tenant.changed);
    if let Some(answer) = call.not_modified(&tag) {
        return Ok(answer);
    }
    let answer = match call.is_head() {
        true => Answer::empty(StatusCode::NO_CONTENT),
        false => Answer::json(StatusCode::OK, &view(tenant)),
    };
    Ok(answer.with_etag(&tag))
}

fn read_id(members: &Members<'_>) -> Result<Option<TenantId>, Refusal> {
    let text = members.text("Id")?;
    text.map(|text| {
        TenantId::parse(text).ok_or_else(|| {
            Refusal::invalid(
                format!("Id {} cannot be used.", Shown(text)),
                "The Id of a tenant is a GUID, with or without hyphens.",
            )
        })
    })
    .transpose()
}

fn read_alias(members: &Members<'_>) -> Result<Option<Alias>, Refusal> {
    members
        .text("Alias")?
        .map(|text| Alias::parse("Alias", text))
        .transpose()
}

pub async fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let json = call.json()?;
    let members = Members::of(&json)?;
    let new = NewTenant {
        id: read_id(&members)?,
        company_name: members.name("CompanyName")?.ok_or_else(|| {
            Refusal::invalid(
                "The tenant has no CompanyName.",
                "CompanyName takes 1 to 256 characters.",
            )
        })?,
        alias: read_alias(&members)?,
    };
    match call.write(Command::CreateTenant(new)).await? {
        Outcome::Tenant(tenant) => Ok(Answer::json(StatusCode::CREATED, &view(&tenant))
            .with_location(&format!("/api/v1/Tenants/{}", tenant.id))
            .with_etag(&call.etag(tenant.changed))),
        _ => Err(Refusal::internal()),
    }
}

pub async fn update(call: &Call<'_>) -> Result<Answer, Refusal> {
    let json = call.json()?;
    let members = Members::of(&json)?;
    let tenant = call.tenant_id()?;
    if let Some(named) = read_id(&members)?
        && named != tenant
    {
        return Err(Refusal::invalid(
            format!("The body names tenant {named}, the path {tenant}."),
            "An Id cannot change: leave it out of the body, or let the two agree.",
        ));
    }
    let company_name = members.name("CompanyName")?;
    let alias = read_alias(&members)?;
    match call
        .write(Command::UpdateTenant {
            tenant,
            company_name,
            alias,
        })
        .await?
    {
        Outcome::Tenant(tenant) => {
            let tag = call.etag(tenant.changed);
            Ok(Answer::json(StatusCode::OK, &view(&tenant)).with_etag(&tag))
        }
        _ => Err(Refusal::internal()),
    }
}

pub async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    match call
        .write(Command::DeleteTenant {
            tenant: call.tenant_id()?,
        })
        .await?
    {
        Outcome::Done => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        _ => Err(Refusal::internal()),
    }
}
