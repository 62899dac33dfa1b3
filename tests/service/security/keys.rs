//! The signing keys: rotation, theft, and what survives (D11, D12, RS25, H18 of the checklist).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credenza::cli::serve::RotateEvery;
use credenza::domain::ports::Clock as _;
use credenza::tokens::key_ring::{JWKS_MAX_AGE, KEPT, PUBLISHED_BEFORE};
use serde_json::Value;

use crate::backup::{backup_with, restore};
use crate::harness::jwt::{Forger, JWKS, decode, published_keys, published_kids};
use crate::harness::process::{Ended, Service, credenza, run, serve};
use crate::harness::{Caller, Choices, Server, anonymous};

const CLIENTS: &str = "/ClientCredentialClients";

fn keys(data: &Path, words: &[&str]) -> Ended {
    let mut command = credenza(["keys"]);
    command.args(words).arg("--data").arg(data);
    run(command)
}

/// Rotates the keys of a running service, after the time that the next one has to be published.
fn rotate(server: &Server) {
    server.clock.advance_seconds(PUBLISHED_BEFORE);
    keys(&server.data(), &["rotate"]).succeeded();
}

fn status(caller: &Caller) -> u16 {
    caller.get(&caller.v1(CLIENTS)).status
}

fn kid(token: &str) -> String {
    decode(token).header["kid"].as_str().unwrap().to_owned()
}

/// The kids of `keys list`, each with its state.
fn listed(data: &Path) -> Vec<(String, String)> {
    let shown = keys(data, &["list"]).succeeded().stdout;
    let lines = shown.lines().skip(1);
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let kid = words.next().unwrap().to_owned();
            (kid, words.skip(1).collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// Waits for what the service does by itself, which takes it a second.
#[track_caller]
fn until(what: &str, is_done: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if is_done() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{what} did not come");
}

/// A service somewhere else that verifies tokens, with keys that it keeps for as long as it may.
struct Verifier {
    service: Caller,
    kept: Vec<Value>,
    fetched: i64,
}

impl Verifier {
    fn new(server: &Server) -> Self {
        Self {
            service: anonymous(server.address()),
            kept: Vec::new(),
            fetched: i64::MIN / 2,
        }
    }

    /// Whether it believes a token. The token is there before the clock is read.
    fn believes(&mut self, server: &Server, token: &str) -> bool {
        let now = server.clock.now().unix_seconds();
        if now - self.fetched >= JWKS_MAX_AGE {
            let answer = self.service.get(JWKS).expect(200);
            let kept = format!("public, max-age={JWKS_MAX_AGE}");
            assert_eq!(answer.header("cache-control"), Some(kept.as_str()));
            self.kept = answer.json()["keys"].as_array().unwrap().clone();
            self.fetched = now;
        }
        let jwt = decode(token);
        let key = self.kept.iter().find(|key| key["kid"] == jwt.header["kid"]);
        key.is_some_and(|key| jwt.is_signed_by(key))
    }
}

#[test]
fn d11_ten_rotations_fail_no_verification() {
    const STEP: i64 = 60;
    let server = Server::start();
    let operator = Mutex::new(server.operator());
    let (over, verified) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut signed_with = Vec::new();
    std::thread::scope(|scope| {
        // The load: tokens are fetched, used here, and verified elsewhere, all the time.
        for _ in 0..2 {
            scope.spawn(|| {
                let mut verifier = Verifier::new(&server);
                while !over.load(Ordering::Relaxed) {
                    let mut caller = operator.lock().unwrap().clone();
                    caller.fetch_token();
                    let token = caller.token.clone().unwrap();
                    assert!(verifier.believes(&server, &token), "{}", kid(&token));
                    assert_eq!(status(&caller), 200);
                    *operator.lock().unwrap() = caller;
                    verified.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let ending = Ending(&over);
        let mut verifier = Verifier::new(&server);
        let mut tokens: Vec<Caller> = Vec::new();
        for _ in 0..10 {
            for _ in 0..PUBLISHED_BEFORE / STEP {
                server.clock.advance_seconds(STEP);
                tokens.push(server.operator());
                let now = server.clock.now().unix_seconds();
                tokens.retain(|caller| {
                    let claims = decode(caller.token.as_ref().unwrap()).claims;
                    claims["exp"].as_i64().unwrap() > now
                });
                for caller in &tokens {
                    assert!(verifier.believes(&server, caller.token.as_ref().unwrap()));
                    assert_eq!(status(caller), 200);
                }
            }
            keys(&server.data(), &["rotate"]).succeeded();
            signed_with.push(published_kids(&server)[0].clone());
        }
        drop(ending);
    });
    signed_with.sort();
    signed_with.dedup();
    assert_eq!(signed_with.len(), 10, "each rotation is to another key");
    assert!(verified.load(Ordering::Relaxed) > 20, "there was no load");
}

/// Ends the load also where the test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn d11_a_key_is_published_before_it_signs_and_after_its_last_token() {
    let server = Server::start();
    let data = server.data();
    let before = server.operator();
    let [first, next] = published_kids(&server).try_into().unwrap();
    server.clock.advance_seconds(PUBLISHED_BEFORE - 1);
    keys(&data, &["rotate"]).refused_because("rotate then");
    assert_eq!(published_kids(&server), [first.as_str(), &next]);
    server.clock.advance_seconds(1);
    let etag = |caller: &Caller| caller.get(JWKS).header("etag").unwrap().to_owned();
    let nobody = anonymous(server.address());
    let known = etag(&nobody);
    let said = keys(&data, &["rotate"]).succeeded().stdout;
    assert!(said.starts_with(&format!("{next} signs now.\n")), "{said}");
    let rotated = published_kids(&server);
    assert_eq!((&rotated[0], &rotated[2]), (&next, &first));
    assert_ne!(etag(&nobody), known);
    let again = nobody.send("GET", JWKS, &[("If-None-Match", &known)], None);
    again.expect(200);
    assert_eq!(kid(server.operator().token.as_ref().unwrap()), next);
    assert_eq!(status(&before), 200);
    let shown = listed(&data);
    assert_eq!(shown[0], (rotated[1].clone(), "next".into()));
    assert_eq!(shown[1], (next, "signing".into()));
    assert_eq!(shown[2].0, first);
    assert_eq!(shown[2].1, "retired until 2030-06-01T13:11:00Z");
    server.clock.advance_seconds(KEPT - 1);
    assert!(published_kids(&server).contains(&first));
    server.clock.advance_seconds(1);
    until("the end of the first key", || {
        !published_kids(&server).contains(&first)
    });
    assert_eq!(listed(&data).len(), 2);
}

#[test]
fn d11_the_schedule_goes_by_the_clock_of_the_service_across_restarts() {
    let mut server = Server::with(Choices {
        rotate_keys: RotateEvery(Some(Duration::from_secs(86_400))),
        ..Choices::default()
    });
    let [first, next] = published_kids(&server).try_into().unwrap();
    server.clock.advance_seconds(86_399);
    server.restart();
    assert_eq!(published_kids(&server), [first, next.clone()]);
    server.clock.advance_seconds(1);
    until("the rotation", || published_kids(&server)[0] == next);
    let token = server.operator().token.unwrap();
    assert_eq!(kid(&token), next);
    assert_eq!(decode(&token).header, Forger::with_key_of(&server).header());
}

#[test]
fn rs25_a_key_in_overlap_verifies_and_one_that_was_taken_away_does_not() {
    let server = Server::start();
    let first = server.operator();
    assert_eq!(status(&first), 200);
    rotate(&server);
    let second = server.operator();
    assert_ne!(
        kid(first.token.as_ref().unwrap()),
        kid(second.token.as_ref().unwrap())
    );
    assert_eq!((status(&first), status(&second)), (200, 200));
    // The key that comes next is published and signs nothing: what claims its name was not signed
    // by it.
    let next = published_kids(&server).remove(1);
    let mut header = decode(second.token.as_ref().unwrap()).header;
    header["kid"] = next.into();
    let claims = decode(second.token.as_ref().unwrap()).claims;
    let forged = Forger::with_key_of(&server).sign(header.to_string(), claims.to_string());
    assert_eq!(status(&second.with_token(&forged)), 401);
    keys(&server.data(), &["rotate", "--now"]).succeeded();
    assert_eq!((status(&first), status(&second)), (401, 401));
    assert_eq!(status(&server.operator()), 200);
}

#[test]
fn h18_a_stolen_key_is_worth_nothing_after_one_command() {
    let mut server = Server::start();
    let data = server.data();
    rotate(&server);
    let thief = Forger::with_key_of(&server);
    let next = std::fs::read_to_string(data.join("next-key.pem")).unwrap();
    let stolen = published_kids(&server);
    let before = server.operator();
    let claims = decode(before.token.as_ref().unwrap()).claims;
    let forged = before.with_token(&thief.claims(&claims));
    // Every worker knows the tokens: connections go to the workers in turn.
    let connections = |caller: &Caller| -> Vec<Caller> {
        let on_another = |_| {
            caller
                .moved_to(server.address())
                .with_connections_of_its_own()
        };
        (0..8).map(on_another).collect()
    };
    let known: Vec<_> = [&before, &forged]
        .into_iter()
        .flat_map(connections)
        .collect();
    assert!(known.iter().all(|caller| status(caller) == 200));

    let said = keys(&data, &["rotate", "--now"]).succeeded().stdout;
    assert!(
        said.contains("Every token of before is refused here"),
        "{said}"
    );
    // At once: the next request of each is refused already.
    assert!(known.iter().all(|caller| status(caller) == 401));
    let after = published_kids(&server);
    assert!(after.iter().all(|kid| !stolen.contains(kid)));
    let operator = server.operator();
    assert_eq!(kid(operator.token.as_ref().unwrap()), after[0]);
    assert_eq!(status(&operator), 200);
    assert_ne!(
        std::fs::read_to_string(data.join("next-key.pem")).unwrap(),
        next
    );
    server.restart();
    assert_eq!(published_kids(&server), after);
    assert_eq!(status(&operator.moved_to(server.address())), 200);
    assert_eq!(status(&forged.moved_to(server.address())), 401);
}

#[test]
fn h18_keys_are_in_files_of_their_own_and_nowhere_else() {
    let mut server = Server::start();
    rotate(&server);
    server.operator();
    let data = server.data();
    let own = ["signing-key.pem", "next-key.pem"].map(|name| data.join(name));
    for path in own.iter().chain([&data.join("keys.json")]) {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{}", path.display());
    }
    let backup = server.directory.path().join("backup");
    backup_with(&data, &backup, &[]).succeeded();
    server.stop();
    let secrets: Vec<Vec<u8>> = own.iter().flat_map(|path| forms_of_secret(path)).collect();
    let mut looked_at = 0;
    let mut folders = vec![data.clone()];
    let mut files = vec![backup];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    for path in files.iter().filter(|path| !own.contains(path)) {
        let content = std::fs::read(path).unwrap();
        for secret in &secrets {
            let found = content.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "a private key is in {}", path.display());
        }
        looked_at += content.len();
    }
    assert!(looked_at > 10_000);
}

/// The private number of a key's file, as bytes, in hexadecimal, and as the lines of the file.
fn forms_of_secret(path: &Path) -> Vec<Vec<u8>> {
    let pem = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(lines.concat()).unwrap();
    // An octet string of 32 bytes, behind the version 1 of the inner structure (RFC 5915).
    let marker = [2, 1, 1, 4, 32];
    let start = der.windows(5).position(|window| window == marker).unwrap() + 5;
    let secret = der[start..start + 32].to_vec();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = lines.iter().map(|line| line.as_bytes().to_vec());
    [secret, hex.into_bytes()]
        .into_iter()
        .chain(lines)
        .collect()
}

#[test]
fn d12_a_rotation_that_is_killed_at_any_moment_leaves_a_working_set() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let service = Service::start(serve(&data));
    let client = service.first_client();
    service.kill();
    let signing = |data: &Path| {
        let listed = listed(data).into_iter();
        let mut signing = listed.filter(|(_, state)| state == "signing");
        signing.next().unwrap().0
    };
    let first = signing(&data);
    // The files that are there for a moment while it goes on, in their order.
    for file in ["next-key.pem.new", "keys.json.new", "next-key.pem.new"] {
        let mut service = Service::start(serve(&data));
        let mut rotation = credenza(["keys", "rotate", "--now", "--data"]);
        rotation.arg(&data);
        let mut rotation = rotation
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !data.join(file).exists() && rotation.try_wait().unwrap().is_none() {}
        service.kill();
        rotation.wait().unwrap();
        service = Service::start(serve(&data));
        let again = service.again(&client);
        assert_eq!(status(&again), 200);
        assert_eq!(kid(again.token.as_ref().unwrap()), signing(&data));
        let states: Vec<_> = listed(&data).into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, ["next", "signing"]);
        service.kill();
    }
    // Without a service the command does the same on the files.
    let said = keys(&data, &["rotate", "--now"]).succeeded().stdout;
    assert!(said.contains(&signing(&data)));
    assert_ne!(signing(&data), first);
    keys(&data, &["rotate"]).refused_because("rotate then");
    let service = Service::start(serve(&data));
    let again = service.again(&client);
    assert_eq!(kid(again.token.as_ref().unwrap()), signing(&data));
    service.terminate();
}

#[test]
fn a_key_that_is_given_is_used_as_it_is() {
    let mut server = Server::start();
    let before = server.operator();
    let own = published_kids(&server);
    server.stop();
    let path = server.directory.path().join("given");
    let der = Forger::new_key();
    let base64 = STANDARD.encode(&der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    std::fs::write(&path, pem).unwrap();
    server.choices.signing_key = Some(path.clone());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let refused = server.try_run().unwrap_err();
    assert!(refused.contains("everybody can read it"), "{refused}");
    // As a supervisor hands it out.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o440)).unwrap();
    server.run();
    let operator = server.operator();
    let header = Forger::from_der(&der).header();
    assert_eq!(decode(operator.token.as_ref().unwrap()).header, header);
    assert_eq!(published_keys(&server).len(), 1);
    assert_eq!(status(&operator), 200);
    assert_eq!(status(&before.moved_to(server.address())), 401);
    for words in [&["rotate"][..], &["rotate", "--now"]] {
        keys(&server.data(), words).refused_because("restart the service");
    }
    let given = header["kid"].as_str().unwrap().to_owned();
    assert_eq!(listed(&server.data()), [(given, "signing".to_owned())]);
    // The keys in the data directory are as they were.
    server.stop();
    server.choices.signing_key = None;
    server.run();
    assert_eq!(published_kids(&server), own);
}

#[test]
fn a_backup_with_keys_holds_the_key_that_signs_now() {
    let mut server = Server::start();
    rotate(&server);
    let file = server.directory.path().join("backup");
    backup_with(&server.data(), &file, &["--with-keys"]).succeeded();
    let before = published_kids(&server);
    server.stop();
    std::fs::rename(server.data(), server.directory.path().join("old")).unwrap();
    restore(&file, &server.data()).succeeded();
    server.run();
    let after = published_kids(&server);
    assert_eq!(after[0], before[0]);
    assert_eq!(after.len(), 2);
    assert!(!before.contains(&after[1]), "the next key is another one");
    assert_eq!(status(&server.operator()), 200);
}

#[test]
fn without_a_store_or_a_key_the_commands_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    keys(&data, &["list"]).refused_because("there is no store");
    let server = Server::start();
    let data = server.data();
    let mut server = server;
    server.stop();
    std::fs::remove_file(data.join("signing-key.pem")).unwrap();
    for words in [&["list"][..], &["rotate"], &["rotate", "--now"]] {
        keys(&data, words).refused_because("there is no signing key");
    }
    assert!(!data.join("signing-key.pem").exists());
}
