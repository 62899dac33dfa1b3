//! One call of an operation: everything that its handler works with, and the words that handlers
//! of every generation share.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;

use super::answer::Answer;
use super::members;
use super::query::Query;
use super::routes::Params;
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::access::Operation;
use crate::domain::client::ClientRecord;
use crate::domain::error::{Refusal, Shown};
use crate::domain::ids::{ClientId, Revision, RoleId, SecretId, TenantId};
use crate::domain::page::Page;
use crate::json::Json;
use crate::service::command::{Asker, Caller, Command, Condition, Outcome, Request};
use crate::service::{Service, clients, entity_tag};

/// A call whose caller may make it.
pub struct Call<'a> {
    pub service: &'a Service,
    pub operation: Operation,
    pub operation_id: &'a str,
    pub caller: Caller,
    /// The tenant of the path, as it is now.
    pub tenant: Option<Arc<TenantSnapshot>>,
    pub params: &'a Params<'a>,
    pub method: &'a Method,
    pub query: Query<'a>,
    pub headers: &'a HeaderMap,
    pub body: Bytes,
    pub deadline: Instant,
}

impl Call<'_> {
    /// The tenant of the path. Every operation of a tenant has one: admission saw to it.
    pub fn tenant(&self) -> Result<&TenantSnapshot, Refusal> {
        self.tenant.as_deref().ok_or_else(Refusal::internal)
    }

    pub fn tenant_id(&self) -> Result<TenantId, Refusal> {
        Ok(self.tenant()?.tenant().id)
    }

    /// The client id of the path; one that no client can have is not found.
    pub fn client_id(&self) -> Result<ClientId, Refusal> {
        let text = self.params.item.as_deref().unwrap_or_default();
        ClientId::parse(text).ok_or_else(|| {
            Refusal::not_found(format_args!("client {} in this tenant", Shown(text)))
        })
    }

    /// The client of the path.
    pub fn client(&self) -> Result<&Arc<ClientRecord>, Refusal> {
        clients::get(self.tenant()?, &self.client_id()?)
    }

    pub fn role_id(&self) -> Result<RoleId, Refusal> {
        let text = self.params.item.as_deref().unwrap_or_default();
        RoleId::parse(text)
            .ok_or_else(|| Refusal::not_found(format_args!("role {} in this tenant", Shown(text))))
    }

    pub fn secret_id(&self) -> Result<SecretId, Refusal> {
        let text = self.params.secret.as_deref().unwrap_or_default();
        SecretId::parse(text).ok_or_else(|| {
            Refusal::not_found(format_args!("secret {} of this client", Shown(text)))
        })
    }

    pub fn json(&self) -> Result<Json, Refusal> {
        members::read(&self.body)
    }

    /// Has a command decided for this caller.
    pub async fn write(&self, command: Command) -> Result<Outcome, Refusal> {
        let asker = Asker::Caller(Box::new(Request {
            caller: self.caller.clone(),
            operation: self.operation,
            operation_id: self.operation_id.to_owned(),
        }));
        self.service.write(asker, command, self.deadline).await
    }

    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The entity tag of what changed last at a revision.
    pub fn etag(&self, changed: Revision) -> String {
        entity_tag(self.service.epoch, changed)
    }

    /// The 304 to a GET or HEAD whose `If-None-Match` names this tag (RFC 9110 section 13.1.2).
    pub fn not_modified(&self, tag: &str) -> Option<Answer> {
        let named = listed_tags(self.headers, IF_NONE_MATCH, Comparison::Weak)?;
        let matches = match named {
            Listed::Any => true,
            Listed::Tags(tags) => tags.iter().any(|own| own == tag),
        };
        matches.then(|| Answer::empty(StatusCode::NOT_MODIFIED).with_etag(tag))
    }

    /// What `If-Match` asks for (RFC 9110 section 13.1.1).
    pub fn condition(&self) -> Condition {
        match listed_tags(self.headers, IF_MATCH, Comparison::Strong) {
            None | Some(Listed::Any) => Condition::Always,
            Some(Listed::Tags(tags)) => Condition::OneOf(tags),
        }
    }

    /// A page of a list that is small enough to be made at once. Whoever calls this reads the page
    /// before looking for the object: bad input is told before that there is none.
    pub fn list<'i, T, V: serde::Serialize>(
        &self,
        page: Page,
        items: &'i [T],
        changed: Revision,
        path: impl FnOnce() -> String,
        view: impl Fn(&'i T) -> V,
    ) -> Result<Answer, Refusal> {
        let tag = self.etag(changed);
        if let Some(answer) = self.not_modified(&tag) {
            return Ok(answer.with_total(items.len()));
        }
        let range = page.range(items.len());
        let views: Vec<V> = items[range].iter().map(view).collect();
        Ok(Answer::json(StatusCode::OK, &views)
            .with_total(items.len())
            .with_etag(&tag)
            .with_next(self.next(page, items.len(), path)))
    }

    /// The link to the next page, if there is one.
    pub fn next(&self, page: Page, total: usize, path: impl FnOnce() -> String) -> Option<String> {
        let next = page.next(total)?;
        const USUAL: usize = 192;
        let mut link = String::with_capacity(USUAL);
        link.push('<');
        link.push_str(&path());
        link.push('?');
        self.query.write_with_page(next, &mut link);
        link.push_str(">; rel=\"next\"");
        Some(link)
    }
}

enum Listed {
    Any,
    Tags(Vec<String>),
}

/// How entity tags are compared (RFC 9110 section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak tag is equal to nothing.
    Strong,
    /// A weak tag is as good as a strong one.
    Weak,
}

/// The entity tags of a conditional header that may be equal to one of ours. `None` where there is
/// no such header.
fn listed_tags(headers: &HeaderMap, name: HeaderName, comparison: Comparison) -> Option<Listed> {
    let mut tags = Vec::new();
    let mut given = false;
    for value in headers.get_all(name) {
        given = true;
        for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if tag == "*" {
                return Some(Listed::Any);
            }
            let tag = match comparison {
                Comparison::Strong => tag,
                Comparison::Weak => tag.strip_prefix("W/").unwrap_or(tag),
            };
            if let Some(tag) = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) {
                tags.push(tag.to_owned());
            }
        }
    }
    given.then_some(Listed::Tags(tags))
}
