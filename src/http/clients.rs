//! Clients in all three generations: one way of reading and writing them, over a view that says
//! what a generation can name. No generation holds logic of its own.

use std::ops::Range;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::Bytes;

use super::answer::Answer;
use super::call::Call;
use super::client_list::{self, Frame};
use super::members::Members;
use super::multi_status::{AFTER_DATA, Child, Form, MultiStatus};
use super::views::{Text, time};
use crate::domain::client::{Client, ClientRecord};
use crate::domain::error::{Refusal, Shown};
use crate::domain::ids::{ClientId, TenantId};
use crate::domain::page::Page;
use crate::domain::times::Timestamp;
use crate::json::Json;
use crate::service::clients::{self, Selection};
use crate::service::command::{ClientUpdate, Command, NewClient, Outcome};
use crate::service::decide::damaged_client;
use crate::tokens::secret::PlainSecret;

/// What a generation shows of a client and can name in a body.
pub struct View {
    /// The members that hold the id.
    pub ids: &'static [&'static str],
    pub has_lifetime: bool,
    pub has_tags: bool,
    /// Whether lists in this form are kept ready. Of all generations one is, the newest: a chunk of
    /// a list has one ready form.
    pub is_kept: bool,
    /// How it writes the child error of a client that cannot be shown.
    pub child_errors: Form,
    /// Writes one client as JSON.
    pub write: fn(&Client, &mut Vec<u8>),
    /// The path of the collection.
    pub path: fn(TenantId) -> String,
}

impl View {
    fn client_path(&self, tenant: TenantId, id: &ClientId) -> String {
        format!("{}/{id}", (self.path)(tenant))
    }

    /// One client as JSON.
    fn json(&self, client: &Client) -> Bytes {
        let mut body = Vec::with_capacity(512);
        (self.write)(client, &mut body);
        body.into()
    }

    /// The id in a body; two members that hold it must agree.
    fn id(&self, members: &Members<'_>) -> Result<Option<ClientId>, Refusal> {
        let mut found = None;
        for member in self.ids {
            let Some(text) = members.text(member)? else {
                continue;
            };
            let id = ClientId::parse(text).ok_or_else(|| {
                Refusal::invalid(
                    format!("{member} {} cannot be used.", Shown(text)),
                    format!(
                        "{member} takes a GUID, or 1 to {} characters of A-Z a-z 0-9 . _ ~ - (not '.' or '..').",
                        ClientId::LONGEST
                    ),
                )
            })?;
            if found.as_ref().is_some_and(|other| *other != id) {
                return Err(Refusal::invalid(
                    format!("{} name two different clients.", self.ids.join(" and ")),
                    format!(
                        "Leave one of {} out, or let them agree.",
                        self.ids.join(" and ")
                    ),
                ));
            }
            found = Some(id);
        }
        Ok(found)
    }

    fn update(&self, members: &Members<'_>) -> Result<ClientUpdate, Refusal> {
        Ok(ClientUpdate {
            name: members.name("Name")?,
            enabled: members.boolean("Enabled")?,
            token_lifetime: match self.has_lifetime {
                true => members.token_lifetime("AccessTokenLifetime")?,
                false => None,
            },
            tags: if self.has_tags {
                members.tags("Tags")?
            } else {
                None
            },
            role_ids: members.role_ids("RoleIds")?,
        })
    }

    fn new_client(&self, json: &Json) -> Result<NewClient, Refusal> {
        let members = Members::of(json)?;
        let given = self.update(&members)?;
        Ok(NewClient {
            id: self.id(&members)?,
            name: given.name,
            enabled: given.enabled,
            token_lifetime: given.token_lifetime,
            tags: given.tags,
            role_ids: given.role_ids,
            secret_description: members.description("SecretDescription")?,
            secret_expiration: members.time("SecretExpirationDate")?,
        })
    }
}

/// The list of a generation: all clients of the tenant, or those that have every tag asked for.
pub fn list(call: &Call<'_>, view: &'static View) -> Result<Answer, Refusal> {
    let tags = if view.has_tags {
        call.query.tags()?
    } else {
        Vec::new()
    };
    let page = call.query.page()?;
    let tenant = call.tenant()?;
    let selected = tenant.with_tags(&tags, call.service.directory.spare());
    page_of(call, view, page, Selection::Kept(selected), || {
        (view.path)(tenant.tenant().id)
    })
}

/// A page of a selection of clients. Whoever calls this reads the page before looking for the
/// object, as for [`Call::list`].
///
/// Whether a damaged client matches a filter cannot be known, so each of the tenant is told of on
/// every page of every list, and counts; the pages themselves are of those that are whole. Such an
/// answer has no entity tag: damage comes and goes without a change in the tenant.
pub fn page_of(
    call: &Call<'_>,
    view: &'static View,
    page: Page,
    selection: Selection,
    path: impl FnOnce() -> String,
) -> Result<Answer, Refusal> {
    let total = selection.len();
    let tenant = call.tenant()?;
    let damaged = tenant.damaged();
    if !damaged.is_empty() {
        let children = damaged.iter().map(damaged_child).collect();
        let partial = MultiStatus::of_damaged(call, view.child_errors, "client", children);
        return Ok(
            show_part(call, &partial, &selection, page.range(total), view)
                .with_total(total + damaged.len())
                .with_next(call.next(page, total, path)),
        );
    }
    let tag = call.etag(tenant.revision());
    if let Some(answer) = call.not_modified(&tag) {
        return Ok(answer.with_total(total));
    }
    Ok(show(call, &selection, page.range(total), view)
        .with_total(total)
        .with_etag(&tag)
        .with_next(call.next(page, total, path)))
}

/// What is told of a client that cannot be believed, in a list.
pub fn damaged_child(id: &ClientId) -> Child {
    Child {
        model_id: id.to_string(),
        refusal: damaged_client(id),
    }
}

/// Those of a selection at some positions, without headers of a list.
pub fn show(
    call: &Call<'_>,
    selection: &Selection,
    range: Range<usize>,
    view: &'static View,
) -> Answer {
    let frame = Frame::array();
    client_list::answer(call, StatusCode::OK, frame, selection, range, view)
}

/// The same as the `Data` of an answer of which a part cannot be shown.
pub fn show_part(
    call: &Call<'_>,
    partial: &MultiStatus<'_>,
    selection: &Selection,
    range: Range<usize>,
    view: &'static View,
) -> Answer {
    let frame = Frame::array_within(partial.before_data(), AFTER_DATA);
    let status = StatusCode::MULTI_STATUS;
    client_list::answer(call, status, frame, selection, range, view)
}

/// One client.
pub fn get(call: &Call<'_>, view: &View) -> Result<Answer, Refusal> {
    let found = clients::find(call.tenant()?, &call.client_id()?)?;
    let tag = call.etag(found.entry.client.changed);
    Ok(call.not_modified(&tag).unwrap_or_else(|| {
        Answer::json_bytes(StatusCode::OK, client_list::one(call, &found, view)).with_etag(&tag)
    }))
}

/// A created client and its first secret, for the answer of a generation.
pub struct Created {
    record: Arc<ClientRecord>,
    value: PlainSecret,
}

impl Created {
    pub fn client(&self) -> &Client {
        &self.record.client
    }

    /// The value of the secret, which is shown this once.
    pub fn value(&self) -> &str {
        self.value.expose()
    }

    pub fn secret_id(&self) -> i32 {
        self.record.secrets.last_id
    }

    pub fn description(&self) -> Option<&str> {
        let secret = self.record.secrets.secrets.first()?;
        secret.description.as_ref().map(|text| text.as_str())
    }

    pub fn expiration(&self) -> Option<Text<Timestamp>> {
        time(self.record.secrets.secrets.first()?.expiration)
    }
}

/// Creates a client. `render` writes the generation's creation answer.
pub async fn create(
    call: &Call<'_>,
    view: &View,
    render: impl FnOnce(&Created) -> Answer,
) -> Result<Answer, Refusal> {
    let tenant = call.tenant_id()?;
    let new = view.new_client(&call.json()?)?;
    match call.write(Command::CreateClient { tenant, new }).await? {
        Outcome::ClientCreated { record, value } => {
            let created = Created { record, value };
            let client = &created.record.client;
            Ok(render(&created)
                .with_location(&view.client_path(tenant, &client.id))
                .with_etag(&call.etag(client.changed))
                .never_stored())
        }
        _ => Err(Refusal::internal()),
    }
}

/// Updates a client: what the body does not name, or the view cannot, stays.
pub async fn update(call: &Call<'_>, view: &View) -> Result<Answer, Refusal> {
    let json = call.json()?;
    let members = Members::of(&json)?;
    let named = view.id(&members)?;
    let update = view.update(&members)?;
    let path = call.client_id();
    if let (Some(named), Ok(client)) = (&named, &path)
        && named != client
    {
        return Err(Refusal::invalid(
            format!("The body names client '{named}', the path '{client}'."),
            "An Id cannot change: leave it out of the body, or let the two agree.",
        ));
    }
    let command = Command::UpdateClient {
        tenant: call.tenant_id()?,
        client: path?,
        update,
        condition: call.condition(),
    };
    match call.write(command).await? {
        Outcome::Client(record) => {
            let tag = call.etag(record.client.changed);
            Ok(Answer::json_bytes(StatusCode::OK, view.json(&record.client)).with_etag(&tag))
        }
        _ => Err(Refusal::internal()),
    }
}
