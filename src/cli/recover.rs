//! `credenza recover`: a new operator when every operator's secret is lost or has expired.

use std::io::Write as _;
use std::process::ExitCode;

use super::offline::{self, AuditArgument};
use super::{DataArgument, fail};
use crate::domain::ids::TenantId;
use crate::service::bootstrap::{FirstClient, PATIENCE};
use crate::service::decide::Limits;
use crate::system::clock::monotonic_now;

/// Creates one client with Tenant Member, Tenant Administrator and Cluster Operator, and prints its
/// id and its secret once. Changes nothing else: what other clients hold stays as it is. Only while
/// no service has the store open, and only for whoever can write the data directory.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,

    /// The tenant of the new client [default: that of an existing operator, else the first one;
    /// where there is none, a new one].
    #[arg(long, value_name = "ID", value_parser = tenant_id)]
    tenant: Option<TenantId>,

    #[command(flatten)]
    audit: AuditArgument,
}

fn tenant_id(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text).ok_or_else(|| "a tenant's id is a GUID".to_owned())
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(recover(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn recover(arguments: &Arguments) -> Result<(), String> {
    // A tenant that is full must not keep its operator out.
    let limits = Limits {
        clients_per_tenant: usize::MAX,
        ..Limits::default()
    };
    let (service, _) = offline::start(&arguments.data, limits, &arguments.audit).await?;
    let deadline = monotonic_now() + PATIENCE;
    let recovered = service.recover(arguments.tenant, deadline).await;
    let stopped = service.stop().await;
    let client = recovered.map_err(|refusal| format!("{} {}", refusal.error, refusal.reason))?;
    show(&client).map_err(|error| {
        format!(
            "the secret of client {} could not be shown ({error}): run this again, and delete that \
             client",
            client.client
        )
    })?;
    stopped.map_err(|error| error.to_string())
}

/// Once, on standard output, never in the log.
fn show(client: &FirstClient) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let FirstClient {
        tenant,
        client,
        secret,
    } = client;
    let secret = secret.expose();
    write!(
        out,
        "\
There is a new Cluster Operator. This is shown once; keep the secret safe.

  tenant         {tenant}
  client id      {client}
  client secret  {secret}

Start the service, fetch a token with it, and give the operators of before new secrets, or delete
them.
"
    )?;
    out.flush()
}
