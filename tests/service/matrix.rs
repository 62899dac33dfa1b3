//! Every route and method, for every sort of caller, on objects of both tenants and of none: the
//! statuses are those of a table written by hand, and what is refused is not done.

mod table;
mod world;

use credenza::http::routes::Route;
use serde_json::Value;

use crate::harness::Response;
use table::{CALLERS, Row, rows};
use world::World;

fn route(row: &Row) -> Route {
    let found = Route::ALL
        .into_iter()
        .find(|route| format!("{route:?}") == row.route);
    found.unwrap_or_else(|| panic!("the table names {}, which is no route", row.route))
}

/// The methods of a route as the service has them, with HEAD.
fn methods(route: Route) -> Vec<String> {
    let mut methods = Vec::new();
    for (method, _) in route.methods() {
        methods.push(method.to_string());
        if method == "GET" {
            methods.push("HEAD".into());
        }
    }
    methods
}

#[test]
fn the_table_has_a_row_for_every_method_of_every_route_and_no_other() {
    let rows = rows();
    for route in Route::ALL {
        for method in methods(route) {
            let own = rows
                .iter()
                .filter(|row| row.route == format!("{route:?}") && row.method == method);
            let objects: Vec<_> = own.map(|row| row.object.as_str()).collect();
            assert!(!objects.is_empty(), "no row for {method} {route:?}");
            let in_tenant = objects.contains(&"a");
            assert_eq!(in_tenant, objects.contains(&"b"), "{method} {route:?}");
            assert_eq!(in_tenant, objects.contains(&"nowhere"));
            let names_an_object =
                route.names_a_client() || matches!(route, Route::Role | Route::RoleHolders);
            assert_eq!(
                names_an_object,
                objects.contains(&"gone"),
                "{method} {route:?}"
            );
            for object in ["own", "sibling"] {
                let named = objects.contains(&object);
                assert_eq!(
                    route.names_a_client(),
                    named,
                    "{method} {route:?}, {object}"
                );
            }
        }
    }
    for row in &rows {
        assert!(
            methods(route(row)).contains(&row.method),
            "{} {} is no method of the service",
            row.method,
            row.route
        );
    }
}

/// What is wrong with an answer whose status is right.
fn form_of(answer: &Response, head: bool) -> Result<(), String> {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let expected = match answer.status {
        403 => r#"Bearer realm="credenza", error="insufficient_scope""#,
        401 => challenge,
        _ => "",
    };
    if challenge != expected {
        return Err(format!("WWW-Authenticate is {challenge}"));
    }
    if answer.header("operation-id").is_none() {
        return Err("there is no Operation-Id".into());
    }
    if head && !answer.body.is_empty() {
        return Err("HEAD has a body".into());
    }
    if answer.status >= 400 {
        match head {
            true if answer.header("content-type").is_some() => {
                return Err("an error to HEAD has a Content-Type".into());
            }
            true => {}
            false => {
                answer.clone().refused(answer.status);
            }
        }
    }
    Ok(())
}

#[test]
fn h09_every_cell_of_the_matrix_has_the_status_of_the_table_and_a_refusal_changes_nothing() {
    let world = World::new();
    let mut wrong = Vec::new();
    let mut cells = 0;
    for row in rows() {
        let route = route(&row);
        let writes = !matches!(row.method.as_str(), "GET" | "HEAD") && route != Route::Token;
        for (position, status) in row.statuses.into_iter().enumerate() {
            if route == Route::Token && position > 0 {
                // It takes a form, and a bearer token is no credential there.
                continue;
            }
            let caller = match route {
                Route::Token => &world.without_token[0].1,
                _ => &world.callers[position],
            };
            let done = status < 300;
            let request = world.request(route, &row, Some(caller), done);
            let before = writes.then(|| world.state());
            let answer = world.send(caller, &row.method, &request);
            let mut fail = |why: String| {
                let Row { method, object, .. } = &row;
                wrong.push(format!(
                    "{method} {:?} {object}, {}: {why}",
                    route, CALLERS[position]
                ));
            };
            cells += 1;
            if answer.status != status {
                fail(format!("{} and not {status}", answer.status));
            } else if let Err(why) = form_of(&answer, row.method == "HEAD") {
                fail(why);
            }
            if before.is_some_and(|before| (before != world.state()) != done) {
                fail(format!("{status}, but something changed, or nothing did"));
            }
            world.clear(route, &request, Some(&answer));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cells > 1_700, "{cells} cells");
}

#[test]
fn rs01_rs03_rs04_without_a_good_token_every_cell_is_401_and_nothing_changes() {
    let world = World::new();
    let mut wrong = Vec::new();
    let mut cells = 0;
    for row in rows() {
        let route = route(&row);
        if route == Route::Token {
            continue;
        }
        let open = row.object == "open";
        let request = world.request(route, &row, None, false);
        let before = world.state();
        for (who, caller) in &world.without_token {
            // A body that would be refused for itself, were it looked at before the token.
            let answer = match row.method.as_str() {
                "POST" | "PUT" => caller.send(
                    &row.method,
                    &request.path,
                    &[("Content-Type", "text/plain")],
                    Some(b"not JSON"),
                ),
                method => world.send(caller, method, &request),
            };
            cells += 1;
            let challenge = answer.header("www-authenticate");
            let expected = match *who {
                _ if open => (200, None),
                "nobody" => (401, Some(r#"Bearer realm="credenza""#)),
                _ => (
                    401,
                    Some(r#"Bearer realm="credenza", error="invalid_token""#),
                ),
            };
            let form = form_of(&answer, row.method == "HEAD");
            if (answer.status, challenge) != expected || form.is_err() {
                wrong.push(format!(
                    "{} {route:?} {}, {who}: {} {challenge:?} {form:?}",
                    row.method, row.object, answer.status
                ));
            }
        }
        assert_eq!(before, world.state(), "{} {route:?}", row.method);
        world.clear(route, &request, None);
    }
    assert!(
        wrong.is_empty(),
        "{} cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cells > 600, "{cells} cells");
}

/// An answer without what differs from request to request.
fn shape(answer: &Response) -> (u16, Value, Vec<(String, String)>) {
    let mut body = match answer.body.is_empty() {
        true => Value::Null,
        false => answer.json(),
    };
    if let Some(object) = body.as_object_mut() {
        object.remove("OperationId");
    }
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| name != "operation-id" && name != "date");
    headers.sort();
    (answer.status, body, headers)
}

#[test]
fn rs23_a_tenant_that_is_not_the_callers_looks_like_one_that_does_not_exist() {
    let world = World::new();
    let mut compared = 0;
    for row in rows().iter().filter(|row| row.object == "nowhere") {
        let route = route(row);
        for (position, caller) in world.callers[..5].iter().enumerate() {
            let other = if position == 4 { "a" } else { "b" };
            let existing = Row {
                object: other.into(),
                ..row.clone()
            };
            let request = world.request(route, &existing, None, false);
            let exists = world.send(caller, &row.method, &request);
            world.clear(route, &request, Some(&exists));
            let request = world.request(route, row, None, false);
            let missing = world.send(caller, &row.method, &request);
            let junk = request
                .path
                .replace("99999999-9999-4999-8999-999999999999", "x%00");
            let junk = world.send(caller, &row.method, &request.at(&junk));
            let who = CALLERS[position];
            assert_eq!(
                shape(&exists),
                shape(&missing),
                "{} {route:?}, {who}",
                row.method
            );
            assert_eq!(
                shape(&exists),
                shape(&junk),
                "{} {route:?}, {who}",
                row.method
            );
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}
