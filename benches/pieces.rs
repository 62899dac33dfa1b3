//! What the pieces cost that a request is made of: places in a list, pages, changes, intersections,
//! rows, tokens and secrets.
//!
//!     cargo bench --bench pieces

use std::hint::black_box;
use std::sync::Arc;

use credenza::bench::{Population, seed};
use credenza::directory::snapshot::TenantSnapshot;
use credenza::directory::spare::Spare;
use credenza::domain::client::{ClientRecord, TokenLifetime};
use credenza::domain::ids::{Epoch, Generation, Revision, SecretId};
use credenza::domain::ports::Clock as _;
use credenza::domain::secret::{Salt, Secret, SecretSet};
use credenza::domain::text::Tag;
use credenza::store::Store as _;
use credenza::store::archive::restore;
use credenza::store::batch::Change;
use credenza::store::sled::{Identity, SledStore};
use credenza::system::clock::SystemClock;
use credenza::system::random::SystemRandom;
use credenza::tokens::cache::VerifiedCache;
use credenza::tokens::jwt::{Issuer, Subject};
use credenza::tokens::key::{KeySet, SigningKey};
use credenza::tokens::keys::Keys;
use credenza::tokens::secret;
use credenza::tokens::verify::Verifier;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const CLIENTS: u64 = 50_000;
const PAGE: usize = 100;

/// Places that lie anywhere, each time others.
fn places() -> impl FnMut() -> usize {
    let mut place = 0_usize;
    move || {
        // A prime that is no part of the size: all places come up before one does again.
        place = (place + 31_337) % (CLIENTS as usize - PAGE);
        place
    }
}

fn lists(criterion: &mut Criterion) {
    let snapshot = TenantSnapshot::from_rows(seed::rows(0, CLIENTS));
    let mut group = criterion.benchmark_group("list of 50,000");
    let mut place = places();
    group.bench_function("rank and slice of 100", |bencher| {
        bencher.iter(|| {
            let start = place();
            let page = snapshot.clients().slice(start..start + PAGE);
            page.map(|record| black_box(record).client.changed.0)
                .sum::<u64>()
        });
    });
    let mut place = places();
    let records: Vec<_> = snapshot.clients().iter().cloned().collect();
    group.bench_function("get by id", |bencher| {
        bencher.iter(|| snapshot.client(&records[place()].client.id).is_some());
    });
    group.finish();
    changes(criterion, &snapshot, &records);
    tags(criterion, &snapshot);
}

/// A change is made on a copy, while readers keep what was there.
fn changes(criterion: &mut Criterion, snapshot: &TenantSnapshot, records: &[Arc<ClientRecord>]) {
    let tenant = snapshot.tenant().id;
    let mut place = places();
    let mut change = || {
        let old = records[place()].clone();
        let mut new = ClientRecord::clone(&old);
        new.client.changed = Revision(2);
        Change::PutClient {
            tenant,
            old: Some(old),
            new: Arc::new(new),
        }
    };
    criterion.bench_function("update of a client in a snapshot of 50,000", |bencher| {
        bencher.iter_batched(
            || (snapshot.clone(), change()),
            |(mut changed, change)| {
                changed.apply(&change, Revision(2));
                changed
            },
            BatchSize::SmallInput,
        );
    });
}

fn tags(criterion: &mut Criterion, snapshot: &TenantSnapshot) {
    let tag = |text: String| Tag::parse("tag", &text).expect("it is a tag");
    let one = [tag(seed::site(1))];
    let two = [tag(seed::site(1)), tag(seed::line(1))];
    let (none, enough) = (Spare::default(), Spare::default());
    enough.set_room(1 << 20);
    let mut group = criterion.benchmark_group("clients by tag");
    for (name, tags, spare) in [
        ("one, of 12,500", &one[..], &none),
        ("two, of 12,500 and 1,000, found", &two[..], &none),
        ("two, of 12,500 and 1,000, kept", &two[..], &enough),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| snapshot.with_tags(tags, spare).len());
        });
    }
    group.finish();
}

fn rows(criterion: &mut Criterion) {
    const ROWS: u64 = 5_000;
    let place = tempfile::tempdir().expect("there is a place for a store");
    let data = place.path().join("data");
    let store = SledStore::create(&data, Identity::draw(&SystemRandom)).expect("a store is made");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime starts");
    let mut export = Vec::new();
    let population = Population {
        tenants: 1,
        clients: ROWS,
    };
    seed::write(population, &mut export).expect("memory takes it");
    let verified = restore::verify(&export[..]).expect("it is whole");
    let mut told = |_| {};
    let written = restore::write(&export[..], &verified, &store, &SystemRandom, &mut told);
    runtime.block_on(written).expect("the store takes it");
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(ROWS));
    group.sample_size(10);
    group.bench_function("rows of 5,000 clients read and decoded", |bencher| {
        bencher.iter(|| {
            let loaded = runtime.block_on(store.load(seed::tenant(0)));
            let loaded = loaded.expect("it loads").expect("it is there");
            loaded.clients.len()
        });
    });
    group.finish();
}

fn tokens(criterion: &mut Criterion) {
    let key = SigningKey::generate().expect("a key");
    let keys = Arc::new(Keys::new(KeySet::new(key, Vec::new())));
    let (issuer, audience) = ("http://127.0.0.1/identity", "ocsapi");
    let issuer_of_tokens = Issuer::new(
        issuer.into(),
        audience.into(),
        keys.clone(),
        Arc::new(SystemClock),
        Arc::new(SystemRandom),
    );
    let rows = seed::rows(0, 1);
    let client = &rows.clients[0].client;
    let issue = || {
        let subject = Subject {
            tenant: rows.tenant.id,
            client: &client.id,
            generation: Generation {
                epoch: Epoch(1),
                created: client.created,
            },
            roles: &client.role_ids[..],
            role_types: &[],
            lifetime: TokenLifetime::new(3_600).expect("an hour is allowed"),
        };
        issuer_of_tokens.issue(&subject).expect("a token").token
    };
    let verifier = Verifier::new(issuer.into(), audience.into(), keys);
    let (token, now) = (issue(), SystemClock.now());
    let mut group = criterion.benchmark_group("token");
    group.bench_function("issue", |bencher| bencher.iter(issue));
    group.bench_function("verify, not seen before", |bencher| {
        bencher.iter(|| verifier.verify(&token, now).is_ok());
    });
    let mut cache = VerifiedCache::default();
    group.bench_function("verify, seen before", |bencher| {
        bencher.iter(|| cache.verify(&verifier, &token, now).is_ok());
    });
    group.finish();
}

fn secrets(criterion: &mut Criterion) {
    let salt = Salt([7; 16]);
    let values: Vec<String> = (0..10).map(|number| seed::secret_of(0, number)).collect();
    let set = |count: usize| SecretSet {
        salt,
        last_id: 10,
        secrets: (1..)
            .zip(&values[..count])
            .map(|(id, value)| Secret {
                id: SecretId(id),
                hash: secret::hash(&salt, value),
                description: None,
                expiration: None,
            })
            .collect(),
        damaged: Vec::new(),
    };
    let now = SystemClock.now();
    let mut group = criterion.benchmark_group("secret");
    for (name, count, value) in [
        ("right, of 1", 1, 0),
        ("right, the last of 10", 10, 9),
        ("wrong, of 1", 1, 5),
    ] {
        let set = set(count);
        group.bench_function(name, |bencher| {
            bencher.iter(|| secret::find(&set, black_box(&values[value]), now).is_some());
        });
    }
    group.finish();
}

criterion_group!(pieces, lists, rows, tokens, secrets);
criterion_main!(pieces);
