//! Paths that try to be another path (H08), and texts that try to be another line (H23).

use serde_json::json;

use super::wire::{Wire, request};
use super::{CLIENTS, Ground};
use crate::harness::{Caller, Server, how_many};

/// Stands in everything that tenant B has.
const MARK: &str = "only-tenant-b-shows-this";

/// Numbers that look random and are the same in each run (Knuth's linear congruential generator).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len())]
    }
}

/// Pieces that mean something to one parser of paths or another.
const TRICKS: [&str; 40] = [
    "..",
    ".",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%252e%252e",
    "..;",
    "..;/",
    "%2e%2e%2f",
    "..%2f",
    "..%5c",
    "..\\",
    "%2F",
    "%2f",
    "%252F",
    "%5c",
    "\\",
    "%00",
    "%0d%0a",
    "%0a",
    "%20",
    "%09",
    ";",
    ";a=b",
    ",",
    "%c0%af",
    "%c0%ae%c0%ae",
    "%u002f",
    "%uff0e",
    "%e2%80%ae",
    "%EF%BC%8F",
    "%",
    "%zz",
    "%ff",
    "~",
    "*",
    "@",
    "%3f",
    "%23",
    "//",
];

/// Tenant B with one of everything, each marked. Gives its id and the id of its role.
fn marked_tenant(server: &Server) -> (String, String) {
    let id = server.new_tenant(MARK);
    let operator = server.operator().in_tenant(&id);
    for client in ["pump", "only-in-b"] {
        let body = json!({ "Id": client, "Name": MARK, "Tags": [MARK], "SecretDescription": MARK });
        operator.post(&operator.v1(CLIENTS), &body).expect(201);
    }
    let role = json!({ "Name": MARK, "Description": MARK });
    let role = operator.post(&operator.v1("/Roles"), &role).expect(201);
    let role = role.text("Id");
    (id, role)
}

/// Everything of tenant B, as the operator sees it.
fn shown(operator: &Caller) -> Vec<Vec<u8>> {
    [
        "",
        "/Roles",
        CLIENTS,
        "/ClientCredentialClients/pump/Secrets",
    ]
    .map(|rest| operator.get(&operator.v1(rest)).expect(200).body)
    .to_vec()
}

/// A path made of one that leads to tenant B, or of one of tenant A's with B's ids behind it.
fn path(draw: &mut Draw, a: &str, b: &str, role: &str) -> String {
    let prefix = draw.of(&["/api/v1/Tenants", "/api/v1-preview/Tenants", "/api/Tenants"]);
    let rest = draw.of(&[
        "",
        "ClientCredentialClients",
        "ClientCredentialClients/pump",
        "ClientCredentialClients/only-in-b",
        "ClientCredentialClients/only-in-b/Secrets",
        "ClientCredentialClients/only-in-b/Secrets/1",
        "ClientCredentialClients/only-in-b/Roles",
        "Clients/only-in-b/Roles",
        "Roles/ROLE",
        "Roles/ROLE/ClientCredentialClients",
        "ClientCredentialClient/only-in-b",
    ]);
    let rest = rest.replace("ROLE", role);
    let trick = draw.of(&TRICKS);
    let tenant = match draw.below(6) {
        0 => b.to_owned(),
        1 => format!("{a}/{trick}/{b}"),
        2 => format!("{a}{trick}{b}"),
        3 => format!("{b}{trick}{a}"),
        4 => format!("{a}/{rest}/{trick}/{trick}/{b}"),
        _ => a.to_owned(),
    };
    let mut segments: Vec<String> = format!("{prefix}/{tenant}/{rest}")
        .split('/')
        .map(str::to_owned)
        .collect();
    for _ in 0..draw.below(4) {
        let place = 1 + draw.below(segments.len());
        let trick = draw.of(&TRICKS).to_owned();
        match draw.below(5) {
            0 => segments.insert(place.min(segments.len()), trick),
            1 => segments[place - 1].push_str(&trick),
            2 => segments[place - 1].insert_str(0, &trick),
            3 => segments[place - 1] = segments[place - 1].to_uppercase(),
            _ => segments[place - 1] = format!("{}{}", trick, "x".repeat(draw.below(3_000))),
        }
    }
    let path = segments.join("/");
    match path.starts_with('/') {
        true => path,
        false => format!("/{path}"),
    }
}

#[test]
fn h08_no_hostile_path_reaches_another_tenant_or_fails_inside() {
    let server = Server::start();
    let a = server.new_tenant("A");
    let (b, role) = marked_tenant(&server);
    let operator = server.operator().in_tenant(&b);
    let before = shown(&operator);
    let administrator = server.administrator(&a);
    let token = administrator.token.clone().unwrap();
    let mut draw = Draw(8);
    let mut wire = Wire::open(server.address());
    let mut statuses = std::collections::BTreeMap::new();
    let paths = how_many("CREDENZA_PATHS", 1_500);
    for _ in 0..paths {
        let path = path(&mut draw, &a, &b, &role);
        let method = draw.of(&["GET", "GET", "GET", "HEAD", "PUT", "DELETE", "POST"]);
        let headers = match method {
            "PUT" | "POST" => "Content-Type: application/json\r\nContent-Length: 14\r\n",
            _ => "",
        };
        let body = if headers.is_empty() {
            ""
        } else {
            r#"{"Name":"mine"}"#
        };
        let headers = headers.replace("14", &body.len().to_string());
        wire.send(request(method, &path, Some(&token), &headers) + body);
        let Some(answer) = wire.answer(method) else {
            panic!("{method} {path}: closed without an answer");
        };
        *statuses.entry(answer.status).or_insert(0) += 1;
        assert!(answer.status < 500, "{method} {path}: {}", answer.status);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains(MARK), "{method} {path}: {text}");
        if answer.header("operation-id").is_none() {
            // The parser refused it, and reads no further on this connection.
            assert_eq!(answer.status, 400, "{method} {path}");
            wire = Wire::open(server.address());
        }
    }
    assert!(shown(&operator) == before, "something of tenant B changed");
    // The corpus is worth something: it comes past the routes, and past the tenant.
    for status in [403, 404, 405] {
        assert!(
            statuses
                .get(&status)
                .is_some_and(|count| *count > paths / 50),
            "{statuses:?}"
        );
    }
    administrator.get(&administrator.v1("")).expect(200);
}

#[test]
fn h08_every_trick_in_every_place_of_every_route_leads_nowhere_else() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let mut wire = Wire::open(ground.server.address());
    for path in ground.readable() {
        let segments: Vec<&str> = path.split('/').collect();
        for trick in TRICKS.iter().filter(|trick| **trick != "//") {
            for place in 1..segments.len() {
                let mut changed = segments.clone();
                changed[place] = trick;
                let changed = changed.join("/");
                wire.send(request("GET", &changed, Some(&token), ""));
                let answer = wire
                    .answer("GET")
                    .unwrap_or_else(|| panic!("{changed}: closed"));
                assert!(
                    matches!(answer.status, 400 | 404),
                    "{changed}: {}",
                    answer.status
                );
                if answer.header("operation-id").is_none() {
                    wire = Wire::open(ground.server.address());
                }
            }
        }
    }
}

#[test]
fn h23_line_ends_in_what_is_sent_reach_no_header() {
    let ground = Ground::new();
    let operator = &ground.operator;
    let token = operator.token.clone().unwrap();
    let mut wire = Wire::open(ground.server.address());
    // The wire reads strictly: a line of a head that is none fails the test.
    for query in [
        "query=%0d%0aX-Evil:%20y",
        "query=%0D%0A%0D%0Abody",
        "%0d%0aX-Evil=y",
        "query=%00%1b[31m%e2%80%a8",
    ] {
        for path in [
            operator.v1(CLIENTS),
            operator.v1("/Roles"),
            "/api/v1/Roles".into(),
        ] {
            let path = format!("{path}?{query}&count=1");
            wire.send(request("GET", &path, Some(&token), ""));
            let answer = wire.answer("GET").unwrap();
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("x-evil"), None);
            let link = answer.header("link").expect("a further page");
            assert!(link.contains(query), "{link}");
        }
    }
    for id in [
        "a\r\nX-Evil: y",
        "a\nb",
        "a\u{0}b",
        "a\u{2028}b",
        "ä",
        "a>b",
        "a\"b",
    ] {
        operator
            .post(&operator.v1(CLIENTS), &json!({ "Id": id }))
            .refused(400);
    }
    // The oddest id and name that are taken.
    let body = json!({ "Id": "~._-~", "Name": "<a href=\"x\">\u{2028}', é" });
    let made = operator.post(&operator.v1(CLIENTS), &body).expect(201);
    let location = made.header("location").unwrap().to_owned();
    assert_eq!(location, operator.v1(&format!("{CLIENTS}/~._-~")));
    assert_eq!(
        operator.get(&location).expect(200).json()["Name"],
        body["Name"]
    );
}

#[test]
fn the_link_to_the_next_page_is_one_link_whatever_the_query_holds() {
    let ground = Ground::new();
    let operator = &ground.operator;
    let token = operator.token.clone().unwrap();
    let mut taken = 0;
    for raw in [
        "query=>;rel=\"next\",<http://evil.example/",
        "query=a,b;c",
        "query='\"",
        "query={}|^`[]",
        "query=\u{e9}",
    ] {
        let mut wire = Wire::open(ground.server.address());
        let path = format!("{}?{raw}&count=1", operator.v1(CLIENTS));
        wire.send(request("GET", &path, Some(&token), ""));
        let answer = wire.answer("GET").expect("an answer");
        if answer.header("operation-id").is_none() {
            // The parser does not take it.
            assert_eq!(answer.status, 400, "{raw}");
            continue;
        }
        assert_eq!(answer.status, 200, "{raw}");
        taken += 1;
        let link = answer.header("link").expect("a further page");
        let target = link
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""));
        let target = target.unwrap_or_else(|| panic!("{link}"));
        assert!(!target.contains(['<', '>', '"', ' ']), "{link}");
        assert!(target.is_ascii(), "{link}");
        assert!(target.ends_with("skip=1&count=1"), "{link}");
        assert_eq!(operator.get(target).expect(200).ids(), ["pump"]);
    }
    assert!(taken >= 2, "the parser takes {taken} of them");
}
