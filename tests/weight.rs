//! What the directory believes that a tenant occupies, against what the allocator gave for it.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use credenza::directory::snapshot::TenantSnapshot;
use credenza::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use credenza::domain::ids::{ClientId, Revision, RoleId, SecretId, TenantId};
use credenza::domain::secret::{Salt, Secret, SecretHash, SecretSet};
use credenza::domain::tenant::{Tenant, TenantState};
use credenza::domain::text::{Description, Name, Tag};
use credenza::domain::times::Timestamp;
use credenza::store::TenantRows;
use credenza::store::batch::Change;
use uuid::Uuid;

const CLIENTS: u64 = 5_000;

/// What this thread has allocated and not freed.
fn allocated() -> u64 {
    use tikv_jemalloc_ctl::thread::{allocatedp, deallocatedp};
    allocatedp::read().unwrap().get() - deallocatedp::read().unwrap().get()
}

/// What the clients of a tenant are like.
#[derive(Clone, Copy)]
struct Form {
    name: usize,
    /// How many tags that others have too, and how many that nobody else has.
    shared_tags: u64,
    own_tags: u64,
    roles: u64,
    secrets: usize,
    description: usize,
}

const PLAIN: Form = Form {
    name: 20,
    shared_tags: 2,
    own_tags: 0,
    roles: 1,
    secrets: 1,
    description: 0,
};

fn record(number: u64, form: Form, shared: &[Tag]) -> Arc<ClientRecord> {
    let shared = shared.iter().take(form.shared_tags as usize).cloned();
    let own = (0..form.own_tags).map(|tag| Tag::from_stored(&format!("own:{number:07}:{tag:02}")));
    let secrets = (0..form.secrets).map(|secret| Secret {
        id: SecretId(secret as i32 + 1),
        hash: SecretHash([secret as u8; 32]),
        description: (form.description > 0)
            .then(|| Description::from_stored(&"d".repeat(form.description))),
        expiration: None,
    });
    Arc::new(ClientRecord {
        client: Client {
            id: ClientId::parse(&format!("client-{number:07}")).unwrap(),
            name: Name::from_stored(&"n".repeat(form.name)),
            enabled: true,
            token_lifetime: TokenLifetime::DEFAULT,
            tags: Tags::new(shared.chain(own)).unwrap(),
            role_ids: RoleIds::new((0..form.roles).map(role)).unwrap(),
            created: Revision(1),
            changed: Revision(1),
        },
        secrets: SecretSet {
            salt: Salt([1; 16]),
            last_id: form.secrets as i32,
            secrets: secrets.collect(),
            damaged: Vec::new(),
        },
    })
}

fn role(number: u64) -> RoleId {
    RoleId::from_uuid(Uuid::from_u128(u128::from(number)))
}

fn tags() -> Vec<Tag> {
    let tags = (0..50).map(|tag| Tag::from_stored(&format!("shared:{tag}")));
    tags.collect()
}

fn tenant() -> Arc<Tenant> {
    let now = Timestamp::parse("now", "2030-01-01T00:00:00Z").unwrap();
    Arc::new(Tenant {
        id: TenantId::from_uuid(Uuid::from_u128(1)),
        company_name: Name::from_stored("Company"),
        alias: None,
        state: TenantState::Active,
        created: now,
        last_updated: now,
        changed: Revision(1),
    })
}

fn loaded(form: Form) -> TenantSnapshot {
    let tags = tags();
    let mut clients = Vec::with_capacity(CLIENTS as usize);
    clients.extend((0..CLIENTS).map(|number| record(number, form, &tags)));
    TenantSnapshot::from_rows(TenantRows {
        tenant: tenant(),
        revision: Revision(1),
        clients,
        damaged: Vec::new(),
        roles: Vec::new(),
    })
}

/// Clients that were created one after the other, in no order, and updated, as the writer does it.
fn grown(form: Form) -> TenantSnapshot {
    let tags = tags();
    let mut snapshot = TenantSnapshot::empty(tenant(), Revision(1));
    for step in 0..2 * CLIENTS {
        let number = step * 2_003 % CLIENTS;
        let new = record(number, form, &tags);
        let old = snapshot.client(&new.client.id).cloned();
        let tenant = snapshot.tenant().id;
        snapshot.apply(&Change::PutClient { tenant, old, new }, Revision(step));
    }
    snapshot
}

fn compare(what: &str, make: impl Fn() -> TenantSnapshot, off: &mut Vec<String>) {
    let before = allocated();
    let snapshot = make();
    let truth = (allocated() - before) as f64;
    let belief = snapshot.weight() as f64;
    let said = format!(
        "{what}: {:.0} bytes a client, believed {:.0}: {:.2}",
        truth / CLIENTS as f64,
        belief / CLIENTS as f64,
        belief / truth
    );
    println!("{said}");
    // A list that grew has room for more in its chunks; one that was loaded has none yet.
    if !(1.0..=1.5).contains(&(belief / truth)) {
        off.push(said);
    }
}

#[test]
fn a_tenant_weighs_what_it_occupies_or_a_little_more() {
    let mut off = Vec::new();
    let forms = [
        ("plain", PLAIN),
        (
            "bare",
            Form {
                shared_tags: 0,
                secrets: 0,
                ..PLAIN
            },
        ),
        ("long names", Form { name: 256, ..PLAIN }),
        (
            "fifty shared tags",
            Form {
                shared_tags: 50,
                ..PLAIN
            },
        ),
        (
            "five tags of its own",
            Form {
                own_tags: 5,
                ..PLAIN
            },
        ),
        ("twenty roles", Form { roles: 20, ..PLAIN }),
        (
            "ten secrets",
            Form {
                secrets: 10,
                ..PLAIN
            },
        ),
        (
            "ten secrets, described",
            Form {
                secrets: 10,
                description: 200,
                ..PLAIN
            },
        ),
    ];
    for (what, form) in forms {
        compare(&format!("{what}, loaded"), || loaded(form), &mut off);
        compare(&format!("{what}, grown"), || grown(form), &mut off);
    }
    assert!(off.is_empty(), "{off:#?}");
}
