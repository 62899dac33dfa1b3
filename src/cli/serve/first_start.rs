//! The first start: sets up an empty store, and shows the first client's secret once.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use super::settings::{BootstrapSettings, DataSet};
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, TenantId};
use crate::domain::ports::Random;
use crate::domain::text::Name;
use crate::service::bootstrap::FirstClient;
use crate::service::command::Bootstrap;
use crate::service::{Service, demo};
use crate::tokens::secret::PlainSecret;

/// The client and the secret of `serve --dev`: fixed, public, and refused beyond loopback.
const DEV_CLIENT: &str = "dev";
const DEV_SECRET: &str = "crdz_dev-secret-for-writing-programs-on-this-machine";

/// The first client, and whether its secret was given by whoever started the service, who then
/// needs no telling.
pub struct SetUp {
    pub first: FirstClient,
    secret_was_given: bool,
    /// The secret is the public one of `--dev`.
    for_everybody: bool,
}

/// Sets up an empty store.
pub async fn set_up(
    service: &Service,
    given: BootstrapSettings,
    data_set: DataSet,
    random: &dyn Random,
    started: Instant,
) -> Result<SetUp, Refusal> {
    let dev = data_set == DataSet::Dev;
    let secret_was_given = given.secret.is_some();
    let in_demo = given.tenant.is_none() && data_set != DataSet::Plain;
    let client = match given.client {
        Some(client) => client,
        None if dev => ClientId::parse(DEV_CLIENT).ok_or_else(Refusal::internal)?,
        None => ClientId::from_uuid(random.uuid()),
    };
    let (company_name, alias) = match in_demo {
        true => demo::first_names().map(|(name, alias)| (name, Some(alias)))?,
        false => (Name::parse("CompanyName", "First tenant")?, None),
    };
    let first = Bootstrap {
        // With the demo set the first client lives in its first tenant, and sees something there.
        tenant: match given.tenant {
            Some(tenant) => tenant,
            None if in_demo => demo::first_tenant(),
            None => TenantId::from_uuid(random.uuid()),
        },
        company_name,
        alias,
        client,
        secret: given
            .secret
            .or_else(|| dev.then(|| PlainSecret::from_given(DEV_SECRET.into()))),
    };
    Ok(SetUp {
        first: service.bootstrap(first, started).await?,
        secret_was_given,
        for_everybody: dev,
    })
}

/// Loads the demo set.
pub async fn load_demo(service: &Arc<Service>, started: Instant) -> Result<(), Refusal> {
    let created = demo::load(service, started).await?;
    log::info!("the demo set is there; {created} clients were created");
    Ok(())
}

/// Shows what a person needs to begin: once, on standard output, never in the log.
pub fn show(set_up: &SetUp, base: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let FirstClient {
        tenant,
        client,
        secret,
    } = &set_up.first;
    if set_up.secret_was_given {
        writeln!(
            out,
            "Credenza is set up, with tenant {tenant} and client {client}."
        )?;
        return out.flush();
    }
    let secret = secret.expose();
    let about = match set_up.for_everybody {
        true => "Credenza runs in memory, with a secret that everybody knows. Nothing is kept.",
        false => "Credenza is set up. This is shown once; keep the secret safe.",
    };
    write!(
        out,
        "\
{about}

  tenant         {tenant}
  client id      {client}
  client secret  {secret}

Fetch a token:

  TOKEN=$(curl -s {base}/identity/connect/token -d grant_type=client_credentials \\
    -d client_id={client} -d client_secret={secret} | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')

List clients:

  curl -s -H \"Authorization: Bearer $TOKEN\" {base}/api/v1/Tenants/{tenant}/ClientCredentialClients

"
    )?;
    out.flush()
}
