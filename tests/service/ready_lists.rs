//! Lists that are kept ready show what is there now, in the form that was asked for, and say how
//! long they are, however little memory there is to keep them in.

use serde_json::{Value, json};

use crate::harness::{Caller, Choices, MEMBER, Server};

const CLIENTS: &str = "/ClientCredentialClients";

fn create(caller: &Caller, id: &str, tags: &[String]) {
    let body = json!({ "Id": id, "Name": format!("{id} {}", "é".repeat(200)), "Tags": tags });
    caller.post(&caller.v1(CLIENTS), &body).expect(201);
}

/// A list, whose length must be the one that it says.
fn list(caller: &Caller, path: &str) -> Vec<Value> {
    let answer = caller.get(path).expect(200);
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("content-length"), Some(&*length), "{path}");
    answer.json().as_array().unwrap().clone()
}

fn names(clients: &[Value]) -> Vec<&str> {
    let names = clients
        .iter()
        .map(|client| client["Name"].as_str().unwrap());
    names.collect()
}

#[test]
fn each_generation_has_its_own_form_whichever_is_asked_first() {
    let server = Server::start();
    let operator = server.operator();
    let paths = [
        operator.v1(CLIENTS),
        operator.preview(CLIENTS),
        operator.legacy("/ClientCredentialClient/"),
    ];
    let members = |path: &str| -> usize { list(&operator, path)[0].as_object().unwrap().len() };
    for _ in 0..2 {
        assert_eq!(paths.each_ref().map(|path| members(path)), [6, 6, 4]);
    }
    assert_eq!(list(&operator, &paths[0])[0].get("ClientId"), None);
    assert_eq!(list(&operator, &paths[1])[0]["ClientId"], "operator");
}

#[test]
fn a_change_shows_in_every_list_at_once() {
    let server = Server::start();
    let tenant = server.new_tenant("Changing");
    let operator = server.operator().in_tenant(&tenant);
    let role = server.role(&tenant, MEMBER);
    let lists = [
        operator.v1(CLIENTS),
        operator.v1(&format!("{CLIENTS}?tag=t")),
        operator.v1(&format!("{CLIENTS}?tag=t&tag=u")),
        operator.v1(&format!("/Roles/{role}{CLIENTS}")),
    ];
    let all_show = |expected: &[&str]| {
        for path in &lists {
            assert_eq!(names(&list(&operator, path)), expected, "{path}");
            let count = operator.head(path).expect(200);
            assert_eq!(count.total(), expected.len());
        }
    };
    let put = |id: &str, name: &str| {
        let body = json!({ "Id": id, "Name": name, "Tags": ["t", "u"] });
        operator.post(&operator.v1(CLIENTS), &body).expect(201);
        operator.v1(&format!("{CLIENTS}/{id}"))
    };
    let b = put("b", "second");
    all_show(&["second"]);
    let a = put("a", "first");
    all_show(&["first", "second"]);
    operator.put(&b, &json!({ "Name": "renamed" })).expect(200);
    all_show(&["first", "renamed"]);
    operator.delete(&a).expect(204);
    all_show(&["renamed"]);
    operator.put(&b, &json!({ "Tags": ["u"] })).expect(200);
    assert!(list(&operator, &lists[1]).is_empty());
    assert!(list(&operator, &lists[2]).is_empty());
    assert_eq!(names(&list(&operator, &lists[0])), ["renamed"]);
}

#[test]
fn with_little_memory_every_list_is_right() {
    // The directory has 8 MiB then; the lists that are read here come to over 12.
    let server = Server::with(Choices {
        memory_bytes: 1,
        ..Choices::default()
    });
    let tags: Vec<String> = (0..10)
        .map(|tag| format!("{tag}{}", "u".repeat(120)))
        .collect();
    let callers: Vec<_> = (0..3)
        .map(|number| {
            let tenant = server.new_tenant(&format!("Tenant {number}"));
            let caller = server.operator().in_tenant(&tenant);
            std::thread::scope(|scope| {
                for part in 0..10 {
                    let (caller, tags) = (&caller, &tags);
                    scope.spawn(move || {
                        for place in 0..20 {
                            create(caller, &format!("{number}-{:03}", part * 20 + place), tags);
                        }
                    });
                }
            });
            caller
        })
        .collect();
    for _ in 0..2 {
        for (number, caller) in callers.iter().enumerate() {
            let expected: Vec<_> = (0..200)
                .map(|place| format!("{number}-{place:03} {}", "é".repeat(200)))
                .collect();
            let everything = list(caller, &caller.v1(&format!("{CLIENTS}?count=1000")));
            assert_eq!(names(&everything), expected);
            for tag in &tags {
                let tagged = caller.v1(&format!("{CLIENTS}?tag={tag}"));
                assert!(list(caller, &format!("{tagged}&count=1000")) == everything);
                assert!(list(caller, &format!("{tagged}&skip=50")) == everything[50..150]);
            }
        }
    }
}
