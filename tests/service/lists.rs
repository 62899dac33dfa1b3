//! Lists and counts of clients: order, pages, tags, and lists by id.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::response::keys;
use crate::harness::{Caller, Response, Server};

const CLIENTS: &str = "/ClientCredentialClients";

/// A tenant of its own, so that the operator is not in the lists.
fn empty_tenant() -> (Server, Caller) {
    let server = Server::start();
    let tenant = server.new_tenant("Listed");
    let operator = server.operator().in_tenant(&tenant);
    (server, operator)
}

fn create(caller: &Caller, id: &str, tags: &[&str]) {
    let body = json!({ "Id": id, "Tags": tags });
    caller.post(&caller.v1(CLIENTS), &body).expect(201);
}

/// Creates clients from many threads, which share the disk's syncs.
fn create_many(caller: &Caller, ids: &[String], tag: &str) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                    create(caller, id, &[tag]);
                }
            });
        }
    });
}

fn list(caller: &Caller, query: &str) -> Response {
    caller.get(&caller.v1(&format!("{CLIENTS}{query}")))
}

fn count(caller: &Caller, query: &str) -> Response {
    let answer = caller.head(&caller.v1(&format!("{CLIENTS}{query}")));
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("content-length"), None);
    answer
}

/// The ids of a list, whose count agrees with its HEAD.
#[track_caller]
fn found(caller: &Caller, query: &str) -> Vec<String> {
    let listed = list(caller, query).expect(200);
    assert_eq!(count(caller, query).expect(200).total(), listed.total());
    listed.ids()
}

/// The target of `Link: <…>; rel="next"`.
fn next(answer: &Response) -> Option<String> {
    let link = answer.header("link")?;
    let target = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"");
    Some(target.expect("one link, to the next page").to_owned())
}

/// Every entry of a list from its first page to its last, and how many pages that took.
fn walk(caller: &Caller, first: &str) -> (Vec<Value>, usize) {
    let (mut entries, mut pages) = (Vec::new(), 0);
    let mut path = Some(first.to_owned());
    while let Some(current) = path {
        let answer = caller.get(&current).expect(200);
        entries.extend(answer.json().as_array().unwrap().iter().cloned());
        pages += 1;
        path = next(&answer);
    }
    (entries, pages)
}

#[test]
fn the_order_is_that_of_the_bytes_of_the_id() {
    let (_server, operator) = empty_tenant();
    let mut ids = vec!["b", "a", "B", "_", "~", "10", "9", "a.1", "a-1", "-", "aa"];
    for id in &ids {
        create(&operator, id, &["t"]);
    }
    ids.sort_unstable();
    assert_eq!(found(&operator, ""), ids);
    assert_eq!(found(&operator, "?tag=t"), ids);
    let preview = operator.get(&operator.preview(CLIENTS)).expect(200);
    assert_eq!(preview.ids(), ids);
    let legacy = operator.get(&operator.legacy("/ClientCredentialClient/"));
    let legacy = legacy.expect(200).json();
    let legacy = legacy.as_array().unwrap().iter();
    assert!(
        legacy
            .map(|client| client["ClientId"].as_str().unwrap())
            .eq(ids)
    );
}

#[test]
fn a_list_of_nothing_is_an_empty_list() {
    let (_server, operator) = empty_tenant();
    for query in ["", "?tag=none", "?tag=a&tag=b", "?skip=5", "?count=9"] {
        let answer = list(&operator, query).expect(200);
        assert_eq!(answer.json(), json!([]));
        assert_eq!(answer.total(), 0);
        assert_eq!(next(&answer), None);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[test]
fn skip_and_count_choose_a_page_and_never_change_the_total() {
    let (_server, operator) = empty_tenant();
    let ids: Vec<String> = (100..205).map(|number| format!("c{number}")).collect();
    create_many(&operator, &ids, "t");
    let beyond = "99999999999999999999999";
    for (query, range, more) in [
        ("", 0..100, true),
        ("?count=105", 0..105, false),
        ("?count=104", 0..104, true),
        ("?count=0", 0..0, false),
        ("?skip=5", 5..105, false),
        ("?skip=4", 4..104, true),
        ("?skip=104&count=10", 104..105, false),
        ("?skip=105", 0..0, false),
        ("?SKIP=7&Count=2", 7..9, true),
        (&format!("?count={beyond}"), 0..105, false),
        (&format!("?skip=3&count={}", u64::MAX), 3..105, false),
        (&format!("?skip={beyond}"), 0..0, false),
        ("?query=anything&skip=104", 104..105, false),
        ("?tag=t&skip=104", 104..105, false),
    ] {
        let answer = list(&operator, query).expect(200);
        assert_eq!(answer.ids(), ids[range], "{query}");
        assert_eq!(answer.total(), 105, "{query}");
        assert_eq!(next(&answer).is_some(), more, "{query}");
        assert_eq!(count(&operator, query).expect(200).total(), 105);
    }
}

#[test]
fn a_page_that_is_no_number_is_refused() {
    let (_server, operator) = empty_tenant();
    let lists = [
        operator.v1(CLIENTS),
        operator.preview(CLIENTS),
        operator.legacy("/ClientCredentialClient/"),
        operator.v1("/Roles"),
        "/api/v1/Tenants".to_owned(),
        "/api/v1/Roles".to_owned(),
    ];
    for path in &lists {
        for value in ["-1", "1.5", "x", "", "+1", "%201", "0x1"] {
            for name in ["skip", "count"] {
                let path = format!("{path}?{name}={value}");
                operator.get(&path).refused_because(400, name);
                operator.head(&path).expect(400);
            }
        }
        operator.get(&format!("{path}?skip=1&skip=1")).refused(400);
        operator.get(&format!("{path}?count=%ff")).refused(400);
    }
}

#[test]
fn following_the_links_shows_each_client_once_and_keeps_the_filters() {
    let (_server, operator) = empty_tenant();
    for number in 0..23 {
        let tags: &[&str] = match number % 2 {
            0 => &["even & more", "all"],
            _ => &["all"],
        };
        create(&operator, &format!("c{number:02}"), tags);
    }
    let filter = "?Tag=even%20%26%20more&tag=all&query=x&count=5&skip=1";
    let (entries, pages) = walk(&operator, &operator.v1(&format!("{CLIENTS}{filter}")));
    let ids: Vec<_> = entries.iter().map(|client| client["Id"].clone()).collect();
    let expected: Vec<_> = (1..12)
        .map(|number| json!(format!("c{:02}", number * 2)))
        .collect();
    assert_eq!((ids, pages), (expected, 3));

    // Each family of routes links to itself.
    for (first, id) in [
        (operator.v1(&format!("{CLIENTS}?count=4")), "Id"),
        (operator.preview(&format!("{CLIENTS}?count=4")), "Id"),
        (
            operator.legacy("/ClientCredentialClient/?count=4"),
            "ClientId",
        ),
    ] {
        let family = first.split_once('?').unwrap().0.trim_end_matches('/');
        let answer = operator.get(&first).expect(200);
        let link = next(&answer).unwrap();
        assert_eq!(link.split_once('?').unwrap().0, family);
        let (entries, pages) = walk(&operator, &first);
        assert_eq!((entries.len(), pages), (23, 6));
        assert!(
            entries
                .iter()
                .map(|client| client[id].as_str().unwrap())
                .is_sorted()
        );
        let head = operator.head(&first).expect(200);
        assert_eq!(next(&head), Some(link), "HEAD has the headers of GET");
    }
}

#[test]
fn a_long_list_that_is_streamed_is_what_its_pages_are() {
    let (server, operator) = empty_tenant();
    let ids: Vec<String> = (0..1_300)
        .map(|number| format!("client-{number:04}"))
        .collect();
    create_many(&operator, &ids, "t");
    for path in [
        operator.v1(CLIENTS),
        operator.v1(&format!("{CLIENTS}?tag=t")),
        operator.preview(CLIENTS),
        operator.legacy("/ClientCredentialClient/"),
    ] {
        let and = if path.contains('?') { '&' } else { '?' };
        let (paged, pages) = walk(&operator, &format!("{path}{and}count=130"));
        assert_eq!((paged.len(), pages), (1_300, 10));
        for query in ["count=1300", "count=1000000000", "skip=1&count=1025"] {
            let whole = operator.get(&format!("{path}{and}{query}")).expect(200);
            assert_eq!(whole.total(), 1_300);
            let expected = match query.starts_with("skip") {
                true => &paged[1..1_026],
                false => &paged[..],
            };
            assert!(
                whole.json().as_array().unwrap() == expected,
                "{path} {query}"
            );
        }
    }
    let role = server.role(&operator.tenant, crate::harness::MEMBER);
    let holders = operator.v1(&format!("/Roles/{role}{CLIENTS}?count=2000"));
    assert_eq!(operator.get(&holders).expect(200).ids(), ids);
}

#[test]
fn a_client_must_have_every_tag_that_is_asked_for() {
    let (_server, operator) = empty_tenant();
    create(&operator, "a", &["x", "y"]);
    create(&operator, "b", &["y", "x", "z"]);
    create(&operator, "c", &["y", "X"]);
    create(&operator, "d", &[]);
    for (query, expected) in [
        ("?tag=y", vec!["a", "b", "c"]),
        ("?tag=x", vec!["a", "b"]),
        ("?tag=X", vec!["c"]),
        ("?tag=x&tag=y", vec!["a", "b"]),
        ("?tag=x&TAG=y&Tag=z", vec!["b"]),
        ("?tag=x&tag=x", vec!["a", "b"]),
        ("?tag=x&tag=X", vec![]),
        ("?tag=x&tag=none", vec![]),
        ("?tag=x,y", vec![]),
    ] {
        assert_eq!(found(&operator, query), expected, "{query}");
        let preview = operator.get(&operator.preview(&format!("{CLIENTS}{query}")));
        assert_eq!(preview.expect(200).ids(), expected, "{query}");
    }
    // The legacy list knows no tags.
    let legacy = operator.legacy("/ClientCredentialClient/?tag=x");
    assert_eq!(operator.get(&legacy).expect(200).total(), 4);

    let a = operator.v1(&format!("{CLIENTS}/a"));
    operator.put(&a, &json!({ "Tags": ["z"] })).expect(200);
    assert_eq!(found(&operator, "?tag=x"), ["b"]);
    assert_eq!(found(&operator, "?tag=z"), ["a", "b"]);
    operator.delete(&a).expect(204);
    assert_eq!(found(&operator, "?tag=z"), ["b"]);
}

#[test]
fn a_list_by_ids_shows_those_clients_each_once() {
    let (_server, operator) = empty_tenant();
    let guid = "5f0c2a7e-9f7b-4b1e-8d3e-0a1b2c3d4e5f";
    for id in ["a", "b", "c", guid] {
        create(&operator, id, &[id, "t"]);
    }
    let upper = guid.to_uppercase();
    let bare = guid.replace('-', "");
    for (query, expected) in [
        ("?id=b&id=a".to_owned(), vec!["a", "b"]),
        ("?id=b&ID=b&Id=%62".into(), vec!["b"]),
        (format!("?id={upper}&id={bare}&id={guid}"), vec![guid]),
        ("?id=&id=+&id=c&id=%09".into(), vec!["c"]),
        // skip and count do not matter.
        ("?id=a&id=b&skip=1&count=0".into(), vec!["a", "b"]),
        // A client that lacks the tag is simply not there.
        ("?id=a&id=b&tag=a".into(), vec!["a"]),
        ("?id=a&id=b&tag=t&tag=b".into(), vec!["b"]),
        ("?id=a&tag=none".into(), vec![]),
        // Blank ids are as none at all.
        ("?id=&id=%20".into(), vec![guid, "a", "b", "c"]),
        ("?id=&tag=a".into(), vec!["a"]),
        ("?id=&count=1".into(), vec![guid]),
    ] {
        assert_eq!(found(&operator, &query), expected, "{query}");
    }
    assert_eq!(
        next(&list(&operator, "?id=a&id=b&count=1").expect(200)),
        None
    );
}

#[test]
fn a_list_by_ids_of_which_some_are_missing_says_which() {
    let (_server, operator) = empty_tenant();
    create(&operator, "a", &["t"]);
    create(&operator, "b", &[]);
    let query = "?id=b&id=nobody&id=a&id=nobody&id=%7Bno%20id%7D&tag=t";
    let answer = list(&operator, query).expect(207);
    assert_eq!(answer.total(), 1);
    let body = answer.json();
    assert_eq!(
        keys(&body),
        ["ChildErrors", "Data", "Error", "OperationId", "Reason"]
    );
    assert_eq!(body["OperationId"], answer.header("operation-id").unwrap());
    let data = body["Data"].as_array().unwrap();
    assert_eq!(data.len(), 1);
    assert_eq!(
        data[0],
        operator
            .get(&operator.v1(&format!("{CLIENTS}/a")))
            .expect(200)
            .json()
    );
    let errors = body["ChildErrors"].as_array().unwrap();
    let missing: Vec<_> = errors.iter().map(|error| &error["ModelId"]).collect();
    assert_eq!(missing, ["nobody", "{no id}"]);
    for error in errors {
        assert_eq!(
            keys(error),
            [
                "Error",
                "ModelId",
                "OperationId",
                "Reason",
                "Resolution",
                "StatusCode"
            ]
        );
        assert_eq!(error["StatusCode"], 404);
        assert_eq!(error["OperationId"], body["OperationId"]);
        assert!(
            error["Reason"]
                .as_str()
                .unwrap()
                .contains(error["ModelId"].as_str().unwrap())
        );
    }
    let head = count(&operator, query).expect(404);
    assert_eq!(head.total(), 1);
    assert_eq!(head.header("content-type"), None);

    let none = list(&operator, "?id=x").expect(207);
    assert_eq!((none.total(), none.json()["Data"].clone()), (0, json!([])));
}

#[test]
fn a_list_by_ids_takes_a_thousand_of_them() {
    let (_server, operator) = empty_tenant();
    let guid = |number: usize| format!("5f0c2a7e-9f7b-4b1e-8d3e-{number:012}");
    let ids: Vec<String> = (0..1_000).map(guid).collect();
    create_many(&operator, &ids, "t");
    let query = |ids: &[String]| {
        let parameters: Vec<_> = ids.iter().map(|id| format!("id={id}")).collect();
        format!("?{}", parameters.join("&"))
    };
    let all = query(&ids);
    assert!(all.len() > 39_000, "a long URL");
    assert_eq!(found(&operator, &all), ids);
    // Blank and repeated ones do not count.
    let padded = format!("{all}&id=&id=%20&id={}", ids[7].to_uppercase());
    assert_eq!(found(&operator, &padded), ids);
    for one_more in [guid(1_000), "nobody".into()] {
        let too_many = format!("{all}&id={one_more}");
        list(&operator, &too_many).refused_because(400, "1001");
        count(&operator, &too_many).expect(400);
    }
}

#[test]
fn a_url_may_be_long_but_not_beyond_64_kib() {
    let (server, operator) = empty_tenant();
    create(&operator, "a", &[]);
    let path = |length: usize| operator.v1(&format!("{CLIENTS}?id=a&query={}", "x".repeat(length)));
    assert_eq!(operator.get(&path(60_000)).expect(200).ids(), ["a"]);
    // Beyond, the parser's own refusal stands in front of every route. No HTTP client of ours
    // would send such a thing.
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        path(65_536)
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let bare = answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 431 ");
    assert!(bare && answer.ends_with("\r\n\r\n"), "{answer}");
}
