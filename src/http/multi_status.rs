//! Answers of which a part cannot be shown: 207 with what can be, and a child error for each of the
//! rest, in the form of each generation.

use actix_web::http::StatusCode;
use serde::Serialize;

use super::answer::Answer;
use super::call::Call;
use super::errors;
use super::views::{Text, append};
use crate::domain::error::Refusal;
use crate::domain::ids::TenantId;

/// How a generation writes a child error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    V1,
    /// With `DynamicProperties`, which is always empty.
    Preview,
    /// `ModelId` is an object, and the tenant is beside it.
    Legacy,
}

/// What cannot be shown, and why: the refusal of a request for it alone.
pub struct Child {
    pub model_id: String,
    pub refusal: Refusal,
}

/// An answer of which a part cannot be shown. Its child errors are made at once, whatever the page:
/// there are as many as damaged things, or as ids in a query.
pub struct MultiStatus<'a> {
    operation_id: &'a str,
    form: Form,
    tenant: Option<TenantId>,
    error: &'static str,
    reason: String,
    children: Vec<Child>,
}

/// What follows the array of `Data`.
pub const AFTER_DATA: &str = "}";

impl<'a> MultiStatus<'a> {
    pub fn new(
        call: &Call<'a>,
        form: Form,
        error: &'static str,
        reason: String,
        children: Vec<Child>,
    ) -> Self {
        Self {
            operation_id: call.operation_id,
            form,
            tenant: call.tenant.as_ref().map(|tenant| tenant.tenant().id),
            error,
            reason,
            children,
        }
    }

    /// Where all that is left out is damaged. `kind` is what a child is, such as `client`.
    pub fn of_damaged(call: &Call<'a>, form: Form, kind: &str, children: Vec<Child>) -> Self {
        let reason = count_damaged(children.len(), kind);
        Self::new(call, form, DAMAGED, reason, children)
    }

    /// The body up to where the array of `Data` begins; [`AFTER_DATA`] ends it.
    pub fn before_data(&self) -> Vec<u8> {
        let view = MultiStatusView {
            operation_id: self.operation_id,
            error: self.error,
            reason: &self.reason,
            child_errors: self.children.iter().map(|child| self.view(child)).collect(),
        };
        let mut body = Vec::with_capacity(256 + self.children.len() * 400);
        append(&mut body, &view);
        // `Data` is the last member, and may be too long to be made at once.
        body.pop();
        body.extend_from_slice(b",\"Data\":");
        body
    }

    /// The answer with `Data` that is small enough to be made at once.
    pub fn answer(&self, data: &[impl Serialize]) -> Answer {
        let mut body = self.before_data();
        append(&mut body, &data);
        body.extend_from_slice(AFTER_DATA.as_bytes());
        Answer::json_bytes(StatusCode::MULTI_STATUS, body.into())
    }

    fn view<'v>(&'v self, child: &'v Child) -> ChildErrorView<'v> {
        let id = child.model_id.as_str();
        ChildErrorView {
            operation_id: self.operation_id,
            error: child.refusal.error,
            reason: &child.refusal.reason,
            resolution: &child.refusal.resolution,
            dynamic_properties: (self.form == Form::Preview).then_some(NoProperties {}),
            status_code: errors::status(child.refusal.kind).as_u16(),
            model_id: match self.form {
                Form::V1 | Form::Preview => ModelId::Text(id),
                Form::Legacy => ModelId::Object { client_id: id },
            },
            tenant_id: self.tenant.filter(|_| self.form == Form::Legacy).map(Text),
        }
    }
}

/// The error of an answer that leaves damaged things out.
pub const DAMAGED: &str = "Stored data is damaged.";

/// How many things of a kind are damaged, in a sentence.
pub fn count_damaged(count: usize, kind: &str) -> String {
    match count {
        1 => format!("1 {kind} is damaged in the store; Data has those that are whole."),
        _ => format!("{count} {kind}s are damaged in the store; Data has those that are whole."),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MultiStatusView<'a> {
    operation_id: &'a str,
    error: &'a str,
    reason: &'a str,
    child_errors: Vec<ChildErrorView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChildErrorView<'a> {
    operation_id: &'a str,
    error: &'a str,
    reason: &'a str,
    resolution: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dynamic_properties: Option<NoProperties>,
    status_code: u16,
    model_id: ModelId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<Text<TenantId>>,
}

#[derive(Serialize)]
struct NoProperties {}

#[derive(Serialize)]
#[serde(untagged)]
enum ModelId<'a> {
    Text(&'a str),
    #[serde(rename_all = "PascalCase")]
    Object {
        client_id: &'a str,
    },
}
