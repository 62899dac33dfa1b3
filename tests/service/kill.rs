//! kill -9 in the middle of everything: what was acknowledged is there and stays in force, what
//! was not is wholly there or wholly absent.
//!
//! `CREDENZA_KILLS` sets how often each test kills (8), `CREDENZA_SEED` repeats a run, `CREDENZA_BINARY` names the
//! program, such as the release's. A seed repeats what is asked for and when the kill comes, not how
//! the threads take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use credenza::domain::ports::Random as _;
use credenza::system::random::SystemRandom;
use serde_json::{Value, json};

use crate::harness::dice::Dice;
use crate::harness::process::{Service, credenza, run, serve};
use crate::harness::{ADMINISTRATOR, Caller, MEMBER, how_many};

const CLIENTS: &str = "/ClientCredentialClients";
const THREADS: u64 = 8;

/// What the changes are, above all.
#[derive(Clone, Copy)]
enum Mix {
    /// Of every kind, creations most.
    Everything,
    /// Deletions, disablings, and roles and secrets taken away.
    TakingAway,
}

impl Mix {
    /// With fewer clients than this, another one is created.
    fn fewest(self) -> u64 {
        match self {
            Self::Everything => 4,
            Self::TakingAway => 12,
        }
    }

    /// The kinds of change that are drawn from, by number.
    fn kinds(self) -> std::ops::Range<u64> {
        match self {
            Self::Everything => 0..23,
            Self::TakingAway => 10..23,
        }
    }
}

/// A client as it must be.
#[derive(Clone, Debug, PartialEq)]
struct Client {
    /// Written to its name and as its only tag at once.
    version: String,
    enabled: bool,
    /// Sorted.
    roles: Vec<String>,
    /// The values of its living secrets; `None` where the answer that held it never came.
    secrets: BTreeMap<i32, Option<String>>,
    last_secret: i32,
}

/// A change that was asked for and not acknowledged: from the one state to the other.
struct Unsure {
    id: String,
    before: Option<Client>,
    after: Option<Client>,
}

/// One of those who change things, and what he knows of his clients; nobody else touches them.
struct Worker {
    number: u64,
    mix: Mix,
    /// Member, and Member with Administrator.
    roles: [Vec<String>; 2],
    dice: Dice,
    made: u64,
    clients: BTreeMap<String, Client>,
    /// Secrets that must never work again, with their client's id.
    dead: BTreeSet<(String, String)>,
    /// The clients that were changed since the last start.
    touched: BTreeSet<String>,
    unsure: Option<Unsure>,
}

/// A change in words of HTTP.
struct Asked {
    method: &'static str,
    path: String,
    body: Value,
    status: u16,
}

impl Worker {
    fn new(number: u64, mix: Mix, seed: u64, roles: &[Vec<String>; 2]) -> Self {
        Self {
            number,
            mix,
            roles: roles.clone(),
            dice: Dice(seed.wrapping_add(number << 32)),
            made: 0,
            clients: BTreeMap::new(),
            dead: BTreeSet::new(),
            touched: BTreeSet::new(),
            unsure: None,
        }
    }

    /// Draws a change: what to ask for, of whom, and what he is when it is done.
    fn draw(&mut self, operator: &Caller) -> (Asked, String, Option<Client>) {
        self.made += 1;
        let version = format!("v{}-{}", self.number, self.made);
        let known = self.clients.len() as u64;
        let kinds = self.mix.kinds();
        let kind = match known < self.mix.fewest() {
            true => 0,
            false => kinds.start + self.dice.below(kinds.end - kinds.start),
        };
        let path = operator.v1(CLIENTS);
        if kind < 7 {
            let id = format!("kill-{}-{}", self.number, self.made);
            let body = json!({ "Id": id, "Name": version, "Tags": [version] });
            let client = Client {
                version,
                enabled: true,
                roles: self.roles[0].clone(),
                secrets: BTreeMap::from([(1, None)]),
                last_secret: 1,
            };
            let asked = Asked::new("POST", path, body, 201);
            return (asked, id, Some(client));
        }
        let chosen = self.dice.below(known) as usize;
        let (id, client) = self.clients.iter().nth(chosen).unwrap();
        let (id, mut client) = (id.clone(), client.clone());
        let path = format!("{path}/{id}");
        let secrets = format!("{path}/Secrets");
        let oldest = client.secrets.keys().next().copied();
        let asked = match (kind, oldest) {
            (7..10, _) => {
                let body = json!({ "Name": version, "Tags": [version] });
                client.version = version;
                Asked::new("PUT", path, body, 200)
            }
            (10..13, _) => {
                client.enabled = !client.enabled;
                Asked::new("PUT", path, json!({ "Enabled": client.enabled }), 200)
            }
            (20.., _) => {
                let now = usize::from(client.roles == self.roles[0]);
                client.roles.clone_from(&self.roles[now]);
                Asked::new("PUT", path, json!({ "RoleIds": client.roles }), 200)
            }
            (13..15, _) => return (Asked::new("DELETE", path, Value::Null, 204), id, None),
            (15..17, Some(oldest)) => {
                client.secrets.remove(&oldest);
                Asked::new("DELETE", format!("{secrets}/{oldest}"), Value::Null, 204)
            }
            _ if client.secrets.len() < 10 => {
                client.last_secret += 1;
                client.secrets.insert(client.last_secret, None);
                Asked::new("POST", secrets, json!({ "Expires": false }), 201)
            }
            _ => {
                client.version = version.clone();
                let body = json!({ "Name": version, "Tags": [version] });
                Asked::new("PUT", path, body, 200)
            }
        };
        (asked, id, Some(client))
    }

    /// Makes changes until an answer stays away.
    fn work(&mut self, operator: &Caller, acknowledged: &Sender<()>) {
        loop {
            let (asked, id, mut after) = self.draw(operator);
            let before = self.clients.get(&id).cloned();
            let Some(answer) = asked.send(operator) else {
                self.touched.insert(id.clone());
                self.unsure = Some(Unsure { id, before, after });
                return;
            };
            if let (201, Some(client)) = (asked.status, &mut after) {
                let value = answer["Secret"].as_str().unwrap().to_owned();
                client.secrets.insert(client.last_secret, Some(value));
            }
            self.adopt(id, before, after);
            let _ = acknowledged.send(());
        }
    }

    /// Takes a change for done.
    fn adopt(&mut self, id: String, before: Option<Client>, after: Option<Client>) {
        let living = |client: Option<&Client>| -> BTreeSet<String> {
            let secrets = client
                .into_iter()
                .flat_map(|client| client.secrets.values());
            secrets.flatten().cloned().collect()
        };
        let gone = &living(before.as_ref()) - &living(after.as_ref());
        self.dead
            .extend(gone.into_iter().map(|value| (id.clone(), value)));
        self.touched.insert(id.clone());
        match after {
            Some(client) => self.clients.insert(id, client),
            None => self.clients.remove(&id),
        };
    }

    /// After a restart: finds out how the change ended that was not acknowledged, then compares
    /// what was touched.
    fn compare(&mut self, operator: &Caller) {
        if let Some(Unsure { id, before, after }) = self.unsure.take() {
            let found = shown(operator, &id);
            let agrees = |state: &Option<Client>| found == state.as_ref().map(Client::shown);
            if agrees(&after) {
                self.adopt(id, before, after);
            } else {
                assert!(agrees(&before), "{id} is {found:?}, was {before:?}");
            }
        }
        for id in std::mem::take(&mut self.touched) {
            self.compare_client(operator, &id);
        }
    }

    fn compare_client(&self, operator: &Caller, id: &str) {
        let expected = self.clients.get(id);
        let found = shown(operator, id);
        assert_eq!(found, expected.map(Client::shown), "{id}");
        let works = |secret: &str| operator.known_as(id, secret).token_answer().status;
        if let Some(client) = expected {
            for (number, secret) in &client.secrets {
                let status = if client.enabled { 200 } else { 401 };
                let Some(secret) = secret else { continue };
                assert_eq!(works(secret), status, "secret {number} of {id}: {client:?}");
            }
        }
        for (_, secret) in self.dead.iter().filter(|(owner, _)| owner == id) {
            assert_eq!(works(secret), 401, "a removed secret of {id}");
        }
    }

    fn compare_everything(&self, operator: &Caller) {
        let all: BTreeSet<&String> = self
            .clients
            .keys()
            .chain(self.dead.iter().map(|(owner, _)| owner))
            .collect();
        for id in all {
            self.compare_client(operator, id);
        }
    }
}

impl Asked {
    fn new(method: &'static str, path: String, body: Value, status: u16) -> Self {
        Self {
            method,
            path,
            body,
            status,
        }
    }

    /// The body of the answer; `None` where the service was gone before it came whole.
    fn send(&self, operator: &Caller) -> Option<Value> {
        let text = self.body.to_string();
        let body = (!self.body.is_null()).then_some(text.as_bytes());
        let json = [("Content-Type", "application/json")];
        let answer = operator
            .try_send(self.method, &self.path, &json, body)
            .ok()?;
        let answer = answer.expect(self.status);
        Some(serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}

/// What can be seen of a client, in the order of [`Client::shown`].
type Shown = (Value, Value, Value, Vec<String>, Vec<i32>);

impl Client {
    fn shown(&self) -> Shown {
        (
            json!(self.version),
            json!([self.version]),
            json!(self.enabled),
            self.roles.clone(),
            self.secrets.keys().copied().collect(),
        )
    }
}

fn shown(operator: &Caller, id: &str) -> Option<Shown> {
    let path = operator.v1(&format!("{CLIENTS}/{id}"));
    let answer = operator.get(&path);
    let secrets = operator.get(&format!("{path}/Secrets"));
    if answer.status == 404 {
        secrets.refused(404);
        return None;
    }
    let client = answer.expect(200).json();
    let secrets = secrets.expect(200).json();
    let secrets = secrets.as_array().unwrap().iter();
    let ids = secrets.map(|secret| secret["Id"].as_i64().unwrap() as i32);
    let take = |name: &str| client[name].clone();
    let mut roles: Vec<String> = serde_json::from_value(take("RoleIds")).unwrap();
    roles.sort();
    let (name, tags, enabled) = (take("Name"), take("Tags"), take("Enabled"));
    Some((name, tags, enabled, roles, ids.collect()))
}

/// Lets all workers work, and kills the service after some acknowledgements.
fn kill_under_load(service: Service, workers: &mut [Worker], operator: &Caller, after: u64) {
    let (sender, acknowledged) = channel();
    std::thread::scope(|scope| {
        for worker in workers {
            let sender = sender.clone();
            scope.spawn(move || worker.work(operator, &sender));
        }
        drop(sender);
        for _ in 0..after {
            acknowledged.recv().expect("the workers work");
        }
        let ended = service.kill();
        assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    });
}

/// Compares the list and its counters with what all workers know together.
fn compare_list(operator: &Caller, workers: &[Worker]) {
    let mut expected: Vec<&str> = vec![&operator.id];
    for worker in workers {
        expected.extend(worker.clients.keys().map(String::as_str));
    }
    expected.sort_unstable();
    let listed = operator.get(&operator.v1(&format!("{CLIENTS}?count=1000000")));
    let listed = listed.expect(200);
    assert_eq!(listed.total(), expected.len());
    assert_eq!(listed.ids(), expected);
}

/// Member, and Member with Administrator, each sorted.
fn roles(operator: &Caller) -> [Vec<String>; 2] {
    let of_type = |kind: &str| {
        let path = operator.v1(&format!("/Roles?roleTypeId={kind}"));
        operator.get(&path).expect(200).ids().remove(0)
    };
    let (member, administrator) = (of_type(MEMBER), of_type(ADMINISTRATOR));
    let mut both = vec![member.clone(), administrator];
    both.sort();
    [vec![member], both]
}

fn check(data: &Path) {
    let mut command = credenza(["check", "--data"]);
    command.arg(data);
    run(command).succeeded();
}

#[test]
fn l16_what_was_acknowledged_survives_kill_9() {
    kill_and_compare(Mix::Everything);
}

#[test]
fn l17_what_was_taken_away_stays_away_after_kill_9() {
    kill_and_compare(Mix::TakingAway);
}

fn kill_and_compare(mix: Mix) {
    let mut drawn = [0; 8];
    SystemRandom.fill(&mut drawn);
    let seed = how_many("CREDENZA_SEED", u64::from_be_bytes(drawn));
    // Shown where the test fails.
    eprintln!("CREDENZA_SEED={seed}");
    let kills = how_many("CREDENZA_KILLS", 8);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let mut dice = Dice(seed);
    let mut service = Service::start(serve(&data));
    let mut operator = service.first_client();
    let roles = roles(&operator);
    let mut workers: Vec<_> = (0..THREADS)
        .map(|number| Worker::new(number, mix, seed, &roles))
        .collect();
    for kill in 1..=kills {
        eprintln!("kill {kill} of {kills}");
        kill_under_load(service, &mut workers, &operator, 1 + dice.below(400));
        // Not each time: `check` closes the store in good order, and a start must do without.
        if kill % 4 == 0 {
            check(&data);
        }
        service = Service::start(serve(&data));
        assert_eq!(service.printed(), "", "it was set up before");
        operator = service.again(&operator);
        for worker in &mut workers {
            worker.compare(&operator);
        }
        compare_list(&operator, &workers);
    }
    for worker in &workers {
        worker.compare_everything(&operator);
    }
    service.terminate();
    check(&data);
}
