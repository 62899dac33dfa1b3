//! The token endpoint: method, form, grant type and scope (T17 to T34 of the checklist).

use super::token_endpoint::{FORM, TOKEN, form_and, post, refused};
use crate::harness::response::keys;
use crate::harness::{OPERATOR, OPERATOR_SECRET, Server, anonymous, wire};

const CREDENTIALS: &str =
    "client_id=operator&client_secret=crdz_operator-secret-of-the-tests-0123456789";

/// A request of raw bytes; the connection closes behind it.
fn raw(headers: &str, body: &str) -> Vec<u8> {
    let head = format!("POST {TOKEN} HTTP/1.1\r\nHost: credenza.test\r\nConnection: close");
    format!("{head}\r\n{headers}\r\n\r\n{body}").into_bytes()
}

#[test]
fn t17_the_body_decides_and_the_query_is_never_merged() {
    let server = Server::start();
    let caller = anonymous(server.address());
    let wrong = "client_secret=wrong&grant_type=password&scope=other&client_id=other";
    caller
        .form(&format!("{TOKEN}?{wrong}"), &form_and(""))
        .expect(200);
    caller
        .form(&format!("{TOKEN}?{}", form_and("")), &form_and(""))
        .expect(200);
    let without_grant = caller.form(
        &format!("{TOKEN}?grant_type=client_credentials"),
        CREDENTIALS,
    );
    refused(without_grant, 400, "invalid_request");
    let body = "grant_type=client_credentials&client_id=operator&client_secret=wrong";
    let wrong_body = caller.form(&format!("{TOKEN}?{}", form_and("")), body);
    refused(wrong_body, 401, "invalid_client");
}

#[test]
fn t18_only_post_is_allowed() {
    let server = Server::start();
    let caller = anonymous(server.address());
    for method in ["GET", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "BREW"] {
        let answer = caller.send(method, TOKEN, &[], None);
        let answer = refused(answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    let head = caller.head(TOKEN).expect(405);
    assert_eq!(head.header("allow"), Some("POST"));
    assert_eq!(head.header("content-type"), None);
    assert!(head.body.is_empty());
    let get = caller.get(&format!("{TOKEN}?{}", form_and("")));
    refused(get, 405, "invalid_request");
}

#[test]
fn t19_a_missing_grant_type_is_invalid_request() {
    let server = Server::start();
    for grant in ["", "&grant_type=", "&grant_type"] {
        let form = format!("{CREDENTIALS}{grant}");
        refused(post(&server, &[], &form), 400, "invalid_request");
    }
}

#[test]
fn t20_any_other_grant_type_is_unsupported() {
    let server = Server::start();
    for grant in [
        "password",
        "authorization_code",
        "refresh_token",
        "implicit",
        "Client_Credentials",
        "client_credentials+",
        "+client_credentials",
        "client_credentials%00",
        "urn:ietf:params:oauth:grant-type:device_code",
    ] {
        let form = format!("{CREDENTIALS}&grant_type={grant}");
        refused(post(&server, &[], &form), 400, "unsupported_grant_type");
    }
}

#[test]
fn the_client_is_looked_at_before_grant_type_and_scope() {
    let server = Server::start();
    let wrong = "client_id=operator&client_secret=wrong";
    for rest in ["", "&grant_type=password", "&scope=other"] {
        let form = format!("{wrong}{rest}");
        refused(post(&server, &[], &form), 401, "invalid_client");
    }
    let both = format!("{CREDENTIALS}&grant_type=password&scope=other");
    refused(post(&server, &[], &both), 400, "unsupported_grant_type");
}

#[test]
fn t21_a_known_parameter_given_twice_is_invalid_request() {
    let server = Server::start();
    let scope = form_and("&scope=ocsapi&acr_values=x");
    post(&server, &[], &scope).expect(200);
    for again in [
        "grant_type=client_credentials",
        "grant_type=password",
        "client_id=operator",
        "client_id=other",
        "client_secret=crdz_operator-secret-of-the-tests-0123456789",
        "client_secret=other",
        "client_secret=",
        "scope=ocsapi",
        "scope=other",
        "scope=",
        "acr_values=x",
        "client%5Fsecret=x",
    ] {
        let form = format!("{scope}&{again}");
        refused(post(&server, &[], &form), 400, "invalid_request");
    }
}

#[test]
fn t22_unknown_parameters_are_ignored_also_repeated() {
    let server = Server::start();
    let form = form_and("&resource=a&resource=b&audience=x&&Scope=other&GRANT_TYPE=x&=&x");
    post(&server, &[], &form).expect(200);
}

#[test]
fn t23_names_and_values_are_decoded() {
    let server = Server::start();
    let secret = OPERATOR_SECRET.replace('-', "%2D").replace('_', "%5f");
    let form = format!(
        "grant%5Ftype=client%5Fcredentials&client%5fid={OPERATOR}&client_secret={secret}&scope=ocsapi+ocsapi"
    );
    post(&server, &[], &form).expect(200);
}

#[test]
fn t24_broken_encoding_is_refused_and_nothing_reaches_a_header() {
    let server = Server::start();
    for broken in ["%zz", "%", "%4", "%FF", "%c3%28"] {
        for form in [
            form_and(&format!("&scope={broken}")),
            form_and(&format!("&{broken}=x")),
            form_and(broken),
        ] {
            refused(post(&server, &[], &form), 400, "invalid_request");
        }
    }
    let lines = "%0d%0aX-Injected:%20yes";
    for (rest, status, error) in [
        ("%00".to_owned(), 401, "invalid_client"),
        (lines.to_owned(), 401, "invalid_client"),
        (format!("&scope={lines}"), 400, "invalid_scope"),
        ("&scope=%00".to_owned(), 400, "invalid_scope"),
    ] {
        let answer = refused(post(&server, &[], &form_and(&rest)), status, error);
        assert_eq!(answer.header("x-injected"), None);
    }
    let latin = [form_and("&scope=").as_bytes(), b"\xe9"].concat();
    let answer = anonymous(server.address()).send("POST", TOKEN, &[FORM], Some(&latin));
    refused(answer, 400, "invalid_request");
}

#[test]
fn t25_the_type_may_have_a_charset_and_any_case() {
    let server = Server::start();
    for kind in [
        "application/x-www-form-urlencoded;charset=UTF-8",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-Urlencoded ; Charset=\"UTF-8\"",
    ] {
        let headers = [("Content-Type", kind)];
        anonymous(server.address())
            .send("POST", TOKEN, &headers, Some(form_and("").as_bytes()))
            .expect(200);
    }
}

#[test]
fn t26_any_other_type_is_invalid_request() {
    let server = Server::start();
    let caller = anonymous(server.address());
    let json = r#"{"grant_type":"client_credentials","client_id":"operator"}"#;
    for (kind, body) in [
        ("application/json", json),
        ("multipart/form-data; boundary=x", "--x--"),
        ("text/plain", "grant_type=client_credentials"),
        ("application/x-www-form-urlencodedx", "a=b"),
        ("", "a=b"),
    ] {
        let headers = [("Content-Type", kind)];
        let answer = caller.send("POST", TOKEN, &headers, Some(body.as_bytes()));
        refused(answer, 400, "invalid_request");
    }
    let form = form_and("");
    let untyped = raw(&format!("Content-Length: {}", form.len()), &form);
    let replies = wire::exchange(server.address(), &untyped);
    assert_eq!(replies[0].status, 400);
    let body: serde_json::Value = serde_json::from_slice(&replies[0].body).unwrap();
    assert_eq!(body["error"], "invalid_request");
    let zipped = [FORM, ("Content-Encoding", "gzip")];
    let answer = caller.send("POST", TOKEN, &zipped, Some(form.as_bytes()));
    refused(answer, 400, "invalid_request");
}

#[test]
fn t27_size_number_and_secret_are_bounded() {
    let server = Server::start();
    let padded = |size: usize| {
        let form = form_and("&padding=");
        let padding = "x".repeat(size - form.len());
        form + &padding
    };
    post(&server, &[], &padded(16 * 1024)).expect(200);
    refused(
        post(&server, &[], &padded(16 * 1024 + 1)),
        413,
        "invalid_request",
    );
    post(&server, &[], &form_and(&"&a=b".repeat(97))).expect(200);
    refused(
        post(&server, &[], &form_and(&"&a=b".repeat(98))),
        400,
        "invalid_request",
    );
    let form = format!(
        "grant_type=client_credentials&client_id=operator&client_secret={}",
        "x".repeat(10_000)
    );
    refused(post(&server, &[], &form), 401, "invalid_client");
}

#[test]
fn t28_a_chunked_body_is_taken() {
    let server = Server::start();
    let form = form_and("");
    let (start, end) = form.split_at(20);
    let chunked = format!(
        "{:x}\r\n{start}\r\n{:X};ext=1\r\n{end}\r\n0\r\n\r\n",
        start.len(),
        end.len()
    );
    let headers = format!("{}: {}\r\nTransfer-Encoding: chunked", FORM.0, FORM.1);
    let replies = wire::exchange(server.address(), &raw(&headers, &chunked));
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].status, 200, "{}", replies[0].head);
}

#[test]
fn t29_a_body_of_two_lengths_is_refused_and_the_connection_closed() {
    let server = Server::start();
    let form = form_and("");
    let length = format!("Content-Length: {}", form.len());
    let kind = format!("{}: {}", FORM.0, FORM.1);
    let chunked = format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len());
    let smuggled = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    for (headers, body) in [
        (
            format!("{kind}\r\n{length}\r\nTransfer-Encoding: chunked"),
            &chunked,
        ),
        (
            format!("{kind}\r\nTransfer-Encoding: chunked\r\n{length}"),
            &chunked,
        ),
        (format!("{kind}\r\n{length}\r\nContent-Length: 5"), &form),
        (format!("{kind}\r\n{length}\r\nX-Folded: a\r\n b"), &form),
        (format!("{kind}\r\nContent-Length: +{}", form.len()), &form),
    ] {
        // Without `Connection: close`: the service itself must close, and not read on.
        let request = raw(&headers, &format!("{body}{smuggled}"));
        let request = String::from_utf8(request).unwrap();
        let request = request.replace("\r\nConnection: close", "");
        let replies = wire::exchange(server.address(), request.as_bytes());
        assert_eq!(replies.len(), 1, "{headers}");
        assert_eq!(replies[0].status, 400, "{headers}");
    }
}

#[test]
fn t30_the_scope_is_granted_by_default() {
    let server = Server::start();
    for rest in ["", "&scope=", "&scope"] {
        let answer = post(&server, &[], &form_and(rest)).expect(200);
        assert_eq!(answer.text("scope"), "ocsapi", "{rest}");
    }
}

#[test]
fn t31_the_scope_that_was_asked_for_is_granted() {
    let server = Server::start();
    let answer = post(&server, &[], &form_and("&scope=ocsapi")).expect(200);
    assert_eq!(answer.text("scope"), "ocsapi");
}

#[test]
fn t32_any_other_scope_is_invalid_scope() {
    let server = Server::start();
    let long = "x".repeat(1_100);
    for scope in [
        "other",
        "OCSAPI",
        "ocsapi+other",
        "ocsapi++ocsapi",
        "+ocsapi",
        "ocsapi%09",
        "%22ocsapi%22",
        "ocsapi%5c",
        "%c3%a9",
        &long,
    ] {
        let form = form_and(&format!("&scope={scope}"));
        refused(post(&server, &[], &form), 400, "invalid_scope");
    }
}

#[test]
fn t33_an_error_never_repeats_what_was_sent() {
    let server = Server::start();
    let canary = "canary-4711";
    for (form, header) in [
        (
            format!("grant_type={canary}&client_id={canary}&client_secret={canary}"),
            "",
        ),
        (form_and(&format!("&scope={canary}")), ""),
        (format!("{canary}={canary}%zz"), ""),
        (form_and(&format!("&client_secret={canary}")), canary),
    ] {
        let answer = post(&server, &[("Authorization", header)], &form);
        assert!((400..500).contains(&answer.status));
        let shown = format!("{:?} {:?}", answer.headers, answer.json());
        assert!(!shown.contains(canary), "{shown}");
    }
}

#[test]
fn t34_the_answer_is_json_and_never_compressed() {
    let server = Server::start();
    let headers = [
        ("Accept", "text/html"),
        ("Accept-Encoding", "zstd, gzip, br, deflate"),
    ];
    let answer = post(&server, &headers, &form_and("")).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-encoding"), None);
    assert!(keys(&answer.json()).contains(&"access_token"));
    let wrong = post(&server, &headers, "grant_type=client_credentials");
    refused(wrong, 401, "invalid_client");
}

#[test]
fn request_timeout_is_read_here_too() {
    let server = Server::start();
    for bad in ["soon", "0", "-1", "NaN"] {
        let answer = post(&server, &[("Request-Timeout", bad)], &form_and(""));
        refused(answer, 400, "invalid_request");
    }
    post(&server, &[("Request-Timeout", "0.5")], &form_and("")).expect(200);
}
