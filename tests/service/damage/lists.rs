//! Lists and counts of clients of which some are damaged.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;

/// The target of `Link: <…>; rel="next"`.
fn next(answer: &Response) -> Option<String> {
    let link = answer.header("link")?;
    let target = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"");
    Some(target.expect("one link, to the next page").to_owned())
}

#[test]
fn every_list_has_the_rest_and_names_what_is_damaged() {
    let ground = Ground::new();
    for (path, id) in ground.lists() {
        let answer = ground.operator.get(&path);
        let (data, children) = partial(&answer, &path);
        assert_eq!(members(&data, id), WHOLE, "{path}");
        assert_eq!(members(&data, "Name"), WHOLE.map(name), "{path}");
        assert_eq!(children, damaged(&DAMAGED), "{path}");
        assert_eq!(answer.total(), 5);
        let head = ground.operator.head(&path).expect(207);
        assert_eq!((head.total(), head.header("etag")), (5, None));
        assert!(head.body.is_empty());
    }
}

#[test]
fn nothing_shows_what_is_damaged() {
    let ground = Ground::new();
    for (path, _) in ground.lists() {
        let body = ground.operator.get(&path).expect(207).body;
        let body = String::from_utf8(body).unwrap();
        // The names begin with these words; so do those that the flips made of them.
        let shown = body.matches("The name of").count();
        assert_eq!(shown, WHOLE.len(), "{body}");
        assert_eq!(body.matches("long enough").count(), WHOLE.len(), "{body}");
    }
}

#[test]
fn an_answer_with_damage_has_no_entity_tag_to_be_compared() {
    let mut ground = Ground::whole();
    let path = ground.operator.v1(CLIENTS);
    let whole = ground.operator.get(&path).expect(200);
    let tag = whole.header("etag").unwrap().to_owned();
    ground.damage(|data| flip(data, "clients", b"pump-c"));
    ground.server.expect_damage(&["pump-c"]);
    for tags in [tag.as_str(), "*"] {
        for method in ["GET", "HEAD"] {
            let headers = [("If-None-Match", tags)];
            let answer = ground.operator.send(method, &path, &headers, None);
            assert_eq!(answer.expect(207).header("etag"), None);
        }
    }
}

#[test]
fn pages_are_of_those_that_are_whole_and_every_page_names_the_damaged() {
    let ground = Ground::new();
    for (path, id) in ground.lists() {
        let mut shown = Vec::new();
        let mut page = Some(format!("{path}?count=2"));
        let mut pages = 0;
        while let Some(current) = page {
            let answer = ground.operator.get(&current);
            let (data, children) = partial(&answer, &path);
            shown.extend(members(&data, id));
            assert_eq!(children, damaged(&DAMAGED));
            assert_eq!(answer.total(), 5);
            page = next(&answer);
            pages += 1;
        }
        assert_eq!((shown, pages), (WHOLE.map(str::to_owned).to_vec(), 2));
        for empty in ["?count=0", "?skip=3", "?skip=5"] {
            let answer = ground.operator.get(&format!("{path}{empty}"));
            let (data, children) = partial(&answer, &path);
            assert_eq!((data.len(), children.len()), (0, 2));
            assert_eq!(next(&answer), None);
        }
    }
}

#[test]
fn whatever_the_tag_each_damaged_client_is_named() {
    let ground = Ground::new();
    let operator = &ground.operator;
    for (query, whole) in [
        ("?tag=all", &WHOLE[..]),
        ("?tag=pump-c", &["pump-c"]),
        ("?tag=pump-c&tag=all", &["pump-c"]),
        ("?tag=pump-b", &[]),
        ("?tag=nobody", &[]),
    ] {
        for path in [operator.v1(CLIENTS), operator.preview(CLIENTS)] {
            let path = format!("{path}{query}");
            let answer = operator.get(&path);
            let (data, children) = partial(&answer, &path);
            assert_eq!(members(&data, "Id"), whole, "{path}");
            assert_eq!(children, damaged(&DAMAGED));
            assert_eq!(answer.total(), whole.len() + 2);
            assert_eq!(operator.head(&path).expect(207).total(), whole.len() + 2);
        }
    }
}

#[test]
fn a_list_by_ids_names_those_of_them_that_are_damaged() {
    let ground = Ground::new();
    let operator = &ground.operator;
    let ask = |query: &str| operator.v1(&format!("{CLIENTS}{query}"));
    let whole = operator.get(&ask("?id=pump-c&id=pump-a")).expect(200);
    assert_eq!(whole.ids(), ["pump-a", "pump-c"]);
    assert!(whole.header("etag").is_some());

    let path = ask("?id=pump-d&id=pump-c&id=pump-d&tag=pump-a");
    let answer = operator.get(&path);
    assert_eq!(partial(&answer, &path), (vec![], damaged(&["pump-d"])));
    assert_eq!(answer.total(), 1);
    assert_eq!(operator.head(&path).expect(207).total(), 1);

    let path = ask("?id=pump-d&id=nobody&id=pump-c&id=pump-b");
    let answer = operator.get(&path);
    let (data, children) = partial(&answer, &path);
    assert_eq!(members(&data, "Id"), ["pump-c"]);
    let expected = [(404, "nobody"), (500, "pump-b"), (500, "pump-d")];
    assert_eq!(children, expected.map(|(s, id)| (s, id.to_owned())));
    assert_eq!(answer.total(), 3);
    let head = operator.head(&path).expect(404);
    assert_eq!((head.total(), head.header("content-type")), (3, None));
}

#[test]
fn a_long_list_with_damage_is_whole_json() {
    const MANY: usize = 1_100;
    let mut ground = Ground::whole();
    let tag = json!({ "Tags": ["all"] });
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while made.fetch_add(1, Ordering::Relaxed) < MANY {
                    let path = ground.operator.v1(CLIENTS);
                    ground.operator.post(&path, &tag).expect(201);
                }
            });
        }
    });
    ground.damage(|data| flip(data, "clients", b"pump-c"));
    ground.server.expect_damage(&["pump-c"]);
    for query in ["?count=5000", "?count=5000&tag=all", "?count=1050&skip=3"] {
        let path = ground.operator.v1(&format!("{CLIENTS}{query}"));
        let answer = ground.operator.get(&path);
        let (data, children) = partial(&answer, &path);
        let expected = if query.contains("1050") {
            1_050
        } else {
            MANY + 4
        };
        assert_eq!((data.len(), answer.total()), (expected, MANY + 5));
        assert_eq!(children, damaged(&["pump-c"]));
        assert!(members(&data, "Id").is_sorted());
    }
}

#[test]
fn an_intact_tenant_beside_it_has_no_damage_in_its_lists() {
    let ground = Ground::new();
    let elsewhere = ground.server.operator();
    for path in [
        elsewhere.v1(CLIENTS),
        elsewhere.preview(CLIENTS),
        elsewhere.legacy(LEGACY),
    ] {
        assert_eq!(elsewhere.get(&path).expect(200).total(), 1);
    }
    // Roles of the tenant are read from other rows.
    let roles = ground.operator.v1("/Roles");
    assert_eq!(ground.operator.get(&roles).expect(200).total(), 6);
}
