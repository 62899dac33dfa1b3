//! The way of every request: route, method, token, body, admission, handler, answer. The order is
//! that of contract section 4, and there is no other way in.

use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwapOption;
use uuid::Uuid;

use super::answer::Answer;
use super::call::Call;
use super::discovery::Documents;
use super::edge::Edge;
use super::query::Query;
use super::request::{self, Body, Deadline};
use super::routes::{self, Deed, Params, Route};
use super::{errors, health, legacy, oauth, preview, v1};
use crate::domain::access::Operation;
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, TenantId};
use crate::domain::ports::Random;
use crate::service::Service;
use crate::service::command::Caller;
use crate::system::clock::monotonic_now;
use crate::tokens::cache::VerifiedCache;

/// What all workers share.
pub struct Site {
    /// There once the store is open and until the service has stopped.
    pub open: ArcSwapOption<Open>,
    pub random: Arc<dyn Random>,
    pub edge: Edge,
    /// Set when the end has begun.
    pub stopping: AtomicBool,
}

/// What there is once the store is open.
pub struct Open {
    pub service: Arc<Service>,
    pub documents: Documents,
}

/// What one worker has.
pub struct Worker {
    site: Arc<Site>,
    verified: RefCell<VerifiedCache>,
    /// How long a body may take.
    body_time: Duration,
}

impl Worker {
    pub fn new(site: Arc<Site>, body_time: Duration) -> Self {
        Self {
            site,
            verified: RefCell::default(),
            body_time,
        }
    }
}

/// Answers a request.
pub async fn answer(worker: &Worker, request: &HttpRequest, payload: Payload) -> HttpResponse {
    let arrived = monotonic_now();
    let uuid = worker.site.random.uuid();
    let mut text = Uuid::encode_buffer();
    let operation_id: &str = uuid.as_hyphenated().encode_lower(&mut text);
    let mut body = Body::new(payload, request, arrived + worker.body_time);
    let deadline = Deadline::read(request.headers(), arrived);
    let incoming = Incoming {
        worker,
        request,
        operation_id,
        deadline: &deadline,
    };
    let answer = match survived(incoming.answer(&mut body)).await {
        Some(answer) => answer,
        None => failed(request.uri().path(), operation_id),
    };
    body.drain(deadline.at).await;
    let edge = &worker.site.edge;
    log_outcome(request, edge, &answer, operation_id, arrived);
    let mut response = answer.into_response(request.method(), operation_id);
    edge.mark(request.headers(), &mut response);
    response
}

/// The answer where the way of a request panicked.
fn failed(path: &str, operation_id: &str) -> Answer {
    match routes::find(path) {
        Some((Route::Token, _)) => oauth::failed(),
        _ => errors::render(&Refusal::internal(), operation_id),
    }
}

/// Does what may panic; `None` when it did. A mistake in the way of one request costs that request,
/// and neither its connection nor the worker.
async fn survived<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

/// One line a request, without its query and without what looks like a secret in its path: they may
/// hold what does not belong into a log.
fn log_outcome(
    request: &HttpRequest,
    edge: &Edge,
    answer: &Answer,
    operation_id: &str,
    arrived: Instant,
) {
    // Why it is unavailable is said once, where it began, and not for each who asks meanwhile.
    let level = match answer.status {
        StatusCode::SERVICE_UNAVAILABLE => log::Level::Debug,
        status if status.is_server_error() => log::Level::Error,
        _ => log::Level::Debug,
    };
    log::log!(
        level,
        "{operation_id} {} {:?} {} in {} µs for {}",
        request.method(),
        errors::without_secrets(request.uri().path()),
        answer.status.as_u16(),
        monotonic_now().duration_since(arrived).as_micros(),
        edge.source(request)
            .map_or("nobody any more".into(), |source| source.to_string())
    );
}

struct Incoming<'a> {
    worker: &'a Worker,
    request: &'a HttpRequest,
    operation_id: &'a str,
    deadline: &'a Deadline,
}

impl Incoming<'_> {
    async fn answer(self, body: &mut Body) -> Answer {
        let operation_id = self.operation_id;
        if let Some(answer) = self.worker.site.edge.preflight(self.request) {
            return answer;
        }
        let path = self.request.uri().path();
        let Some((route, params)) = routes::find(path) else {
            return errors::render(&errors::no_route(path), operation_id);
        };
        match route.deed(self.request.method()) {
            None => {
                let refusal = errors::method_not_allowed(route, self.request.method().as_str());
                let answer = match route {
                    Route::Token => oauth::refused_method(),
                    _ => errors::render(&refusal, operation_id),
                };
                errors::with_allow(answer, route)
            }
            Some(Deed::Open) => self.open(route, body).await,
            Some(Deed::Operation(operation)) => self
                .operate(route, operation, &params, body)
                .await
                .unwrap_or_else(|refusal| errors::render(&refusal, operation_id)),
        }
    }

    /// What anybody may ask for.
    async fn open(self, route: Route, body: &mut Body) -> Answer {
        if route != Route::Token
            && let Err(refusal) = self.deadline.check()
        {
            return errors::render(&refusal, self.operation_id);
        }
        let site = &self.worker.site;
        let headers = self.request.headers();
        match (route, site.open.load().as_deref()) {
            (Route::Live, _) => health::live(),
            (Route::Ready, _) => health::ready(site),
            (Route::Token, None) => oauth::unavailable(),
            (Route::Token, Some(open)) => {
                oauth::token(&open.service, headers, body, self.deadline).await
            }
            (_, None) => errors::render(&errors::starting(), self.operation_id),
            (Route::Keys, Some(open)) => open.documents.keys(headers),
            (_, Some(open)) => open.documents.discovery(headers),
        }
    }

    /// What takes a token.
    async fn operate(
        self,
        route: Route,
        operation: Operation,
        params: &Params<'_>,
        body: &mut Body,
    ) -> Result<Answer, Refusal> {
        let open = self.worker.site.open.load();
        let service = &open.as_deref().ok_or_else(errors::starting)?.service;
        let headers = self.request.headers();
        let method = self.request.method();
        let caller = self.caller(service)?;
        let bytes = match *method == Method::POST || *method == Method::PUT {
            false => Bytes::new(),
            true => {
                let bytes = body.read(request::LARGEST_JSON, self.deadline).await?;
                request::is_json(headers)?;
                bytes
            }
        };
        let tenant = params.tenant.as_deref().and_then(TenantId::parse);
        let client = match route.names_a_client() {
            true => params.item.as_deref().and_then(ClientId::parse),
            false => None,
        };
        let admission = service.admit(operation, &caller, tenant, client.as_ref());
        let tenant = self.deadline.wait_for(admission).await?;
        self.deadline.check()?;
        let query = Query::parse(self.request.uri().query().unwrap_or_default())?;
        let call = Call {
            service,
            operation,
            operation_id: self.operation_id,
            caller,
            tenant,
            params,
            method,
            query,
            headers,
            body: bytes,
            deadline: self.deadline.at,
        };
        handle(&call, route).await
    }

    /// Whose token this is.
    fn caller(&self, service: &Service) -> Result<Caller, Refusal> {
        let token = request::bearer_token(self.request.headers())?;
        let now = service.clock.now();
        let mut verified = self.worker.verified.borrow_mut();
        let token = verified
            .verify(&service.verifier, token, now)
            .map_err(request::refused_token)?;
        Ok(Caller {
            tenant: token.tenant,
            client: token.client,
            generation: token.generation,
        })
    }
}

async fn handle(call: &Call<'_>, route: Route) -> Result<Answer, Refusal> {
    use Operation as O;
    match call.operation {
        O::ListClients => v1::clients::list(call),
        O::CreateClient => v1::clients::create(call).await,
        O::GetClient => v1::clients::get(call),
        O::UpdateClient => v1::clients::update(call).await,
        O::DeleteClient | O::LegacyDeleteClient => v1::clients::delete(call).await,
        O::ListClientRoles => v1::roles::list_held(call, route),
        O::ReplaceClientRoles => v1::roles::replace_held(call).await,
        O::ListSecrets => v1::secrets::list(call),
        O::AddSecret => v1::secrets::add(call).await,
        O::GetSecret => v1::secrets::get(call),
        O::UpdateSecret => v1::secrets::update(call).await,
        O::DeleteSecret | O::PreviewDeleteSecret => v1::secrets::delete(call).await,
        O::ListRoles => v1::roles::list(call),
        O::CreateRole => v1::roles::create(call).await,
        O::GetRole => v1::roles::get(call),
        O::UpdateRole => v1::roles::update(call).await,
        O::DeleteRole => v1::roles::delete(call).await,
        O::ListRoleHolders => v1::roles::list_holders(call),
        O::ListClusterRoles => v1::roles::list_cluster(call),
        O::GetTenant => v1::tenants::get(call),
        O::UpdateTenant => v1::tenants::update(call).await,
        O::DeleteTenant => v1::tenants::delete(call).await,
        O::ListTenants => v1::tenants::list(call),
        O::CreateTenant => v1::tenants::create(call).await,
        O::PreviewListClients => preview::clients::list(call),
        O::PreviewCreateClient => preview::clients::create(call).await,
        O::PreviewGetClient => preview::clients::get(call),
        O::PreviewUpdateClient => preview::clients::update(call).await,
        O::PreviewListSecrets => preview::secrets::list(call),
        O::PreviewAddSecret => preview::secrets::add(call).await,
        O::PreviewGetSecret => preview::secrets::get(call),
        O::PreviewUpdateSecret => preview::secrets::update(call).await,
        O::LegacyListClients => legacy::list(call),
        O::LegacyCreateClient => legacy::create(call).await,
        O::LegacyGetClient => legacy::get(call),
        O::LegacyUpdateClient => legacy::update(call).await,
    }
}
