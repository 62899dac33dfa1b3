//! Limits and counts are exact, whoever asks at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};

use credenza::service::decide::Limits;
use serde_json::json;

use crate::harness::{Caller, Choices, MEMBER, Server, TENANT, how_many};

const CLIENTS: &str = "/ClientCredentialClients";

/// Calls `work` with 0, 1, 2 … below `times`, from `callers` threads at once.
fn at_once(callers: usize, times: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= times {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

fn count(caller: &Caller, query: &str) -> usize {
    caller
        .head(&caller.v1(&format!("{CLIENTS}{query}")))
        .expect(200)
        .total()
}

#[test]
fn counts_per_tenant_tag_and_role_are_exact_under_16_callers() {
    let server = Server::start();
    let operator = server.operator();
    let member = server.role(TENANT, MEMBER);
    let made = operator
        .post(&operator.v1("/Roles"), &json!({ "Name": "Odd" }))
        .expect(201);
    let odd = made.text("Id");
    at_once(16, 250, |number| {
        let roles = if number % 2 == 1 {
            vec![&member, &odd]
        } else {
            vec![&member]
        };
        let tags = json!([format!("fifth:{}", number % 5), "all"]);
        let body = json!({ "Tags": tags, "RoleIds": roles });
        operator.post(&operator.v1(CLIENTS), &body).expect(201);
    });
    assert_eq!(count(&operator, ""), 251);
    assert_eq!(count(&operator, "?tag=all"), 250);
    assert_eq!(count(&operator, "?tag=fifth:3"), 50);
    assert_eq!(count(&operator, "?tag=fifth:3&tag=all"), 50);
    assert_eq!(count(&operator, "?tag=fifth:3&tag=fifth:4"), 0);
    let holders = operator.v1(&format!("/Roles/{odd}{CLIENTS}"));
    assert_eq!(operator.head(&holders).expect(200).total(), 125);
    let listed = operator
        .get(&operator.v1(&format!("{CLIENTS}?count=1000")))
        .expect(200);
    assert_eq!(listed.ids().len(), 251);
}

#[test]
fn l09_the_client_limit_is_exact_under_64_callers() {
    assert_eq!(Limits::default().clients_per_tenant, 50_000);
    let most = how_many("CREDENZA_CLIENT_LIMIT", 200) as usize;
    let limits = Limits {
        clients_per_tenant: most,
        ..Limits::default()
    };
    let server = Server::with(Choices {
        limits,
        ..Choices::default()
    });
    let tenant = server.new_tenant("Full");
    let operator = server.operator().in_tenant(&tenant);
    let (created, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    at_once(64, most + 200, |_| {
        let answer = operator.post(&operator.v1(CLIENTS), &json!({}));
        match answer.status {
            201 => created.fetch_add(1, Ordering::Relaxed),
            _ => {
                let body = answer.refused(400);
                assert_eq!(body["Error"], "Client limit exceeded.");
                refused.fetch_add(1, Ordering::Relaxed)
            }
        };
    });
    assert_eq!((created.into_inner(), refused.into_inner()), (most, 200));

    let first = operator
        .get(&operator.v1(&format!("{CLIENTS}?count=1")))
        .expect(200)
        .ids();
    operator
        .delete(&operator.v1(&format!("{CLIENTS}/{}", first[0])))
        .expect(204);
    let created = AtomicUsize::new(0);
    at_once(8, 8, |_| {
        if operator.post(&operator.v1(CLIENTS), &json!({})).status == 201 {
            created.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(created.into_inner(), 1);
}

#[test]
fn l08_the_eleventh_secret_is_refused_however_many_ask() {
    let server = Server::start();
    let operator = server.operator();
    let client = operator
        .post(&operator.v1(CLIENTS), &json!({}))
        .expect(201)
        .json();
    let id = client["Client"]["Id"].as_str().unwrap();
    let secrets = operator.v1(&format!("{CLIENTS}/{id}/Secrets"));
    let body = json!({ "Expires": false });
    for _ in 0..8 {
        operator.post(&secrets, &body).expect(201);
    }
    let created = AtomicUsize::new(0);
    at_once(20, 20, |_| {
        let answer = operator.post(&secrets, &body);
        match answer.status {
            201 => {
                created.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                answer.refused_because(400, "has 10 secrets");
            }
        }
    });
    assert_eq!(created.into_inner(), 1);
    assert_eq!(operator.head(&secrets).expect(200).total(), 10);
}

#[test]
fn one_id_is_created_once_however_many_ask() {
    let server = Server::start();
    let operator = server.operator();
    let created = AtomicUsize::new(0);
    at_once(16, 32, |_| {
        let answer = operator.post(&operator.v1(CLIENTS), &json!({ "Id": "the-one" }));
        match answer.status {
            201 => {
                created.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                answer.refused_because(409, "the-one");
            }
        }
    });
    assert_eq!(created.into_inner(), 1);
}

#[test]
fn h11_a_role_that_is_deleted_while_it_is_given_is_held_by_nobody_afterwards() {
    let server = Server::start();
    let operator = server.operator();
    let member = server.role(TENANT, MEMBER);
    for round in 0..10 {
        let body = json!({ "Name": format!("Short-lived {round}") });
        let role = operator.post(&operator.v1("/Roles"), &body).expect(201);
        let role = role.text("Id");
        let path = operator.v1(&format!("/Roles/{role}"));
        let given = AtomicUsize::new(0);
        let deleted = AtomicUsize::new(0);
        at_once(8, 16, |number| {
            if number == round {
                let answer = operator.delete(&path);
                match answer.status {
                    204 => deleted.fetch_add(1, Ordering::Relaxed),
                    _ => {
                        answer.refused(409);
                        0
                    }
                };
                return;
            }
            let answer = operator.post(
                &operator.v1(CLIENTS),
                &json!({ "RoleIds": [&member, &role] }),
            );
            match answer.status {
                201 => given.fetch_add(1, Ordering::Relaxed),
                _ => {
                    answer.refused_because(400, &role);
                    0
                }
            };
        });
        let holders = operator.get(&format!("{path}{CLIENTS}"));
        match deleted.into_inner() {
            // Deleted, so nobody had it, and nobody got it afterwards.
            1 => {
                assert_eq!(given.into_inner(), 0);
                holders.refused(404);
            }
            _ => assert_eq!(holders.expect(200).total(), given.into_inner()),
        }
    }
}
