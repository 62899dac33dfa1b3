//! The rules of the house, read from the sources: which room may name which, a head on every file,
//! and no file that outgrows its purpose.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The arrows: what each room may name of the others. Whatever is not here is an error.
/// `docs/architecture.md` draws them.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("json", &["domain"]),
    ("system", &["domain"]),
    ("tokens", &["domain", "json", "system"]),
    ("store", &["domain"]),
    ("directory", &["domain", "store"]),
    ("service", &["domain", "directory", "store", "tokens"]),
    (
        "http",
        &["domain", "json", "system", "tokens", "directory", "service"],
    ),
    ("control", &["domain", "store", "service", "tokens"]),
    ("telemetry", &["domain", "service"]),
    ("bench", &["domain", "system", "tokens", "store", "http"]),
    (
        "cli",
        &[
            "bench",
            "control",
            "domain",
            "system",
            "telemetry",
            "tokens",
            "store",
            "directory",
            "service",
            "http",
        ],
    ),
];

/// Crates that stay in one room, so that they can be replaced there.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("sled::", &["src/store/sled"]),
    ("bincode", &["src/store/sled"]),
    ("actix_web", &["src/http", "src/cli", "src/bench/floor.rs"]),
    ("tikv_jemalloc", &["src/system"]),
    ("actix_http::", &["src/http/listen.rs"]),
    ("actix_server::", &["src/http/listen.rs"]),
    ("tokio_rustls", &["src/http/secured.rs", "src/http/tls.rs"]),
    ("clap", &["src/cli", "src/main.rs"]),
    (
        "ring::",
        &[
            "src/tokens",
            "src/system",
            "src/http/discovery.rs",
            "src/http/tls.rs",
            "src/store/sled",
            "src/store/archive",
        ],
    ),
];

/// The crates that the domain may name besides std.
const OF_THE_DOMAIN: &[&str] = &["std", "serde", "uuid", "chrono", "super", "crate", "Who"];

const LONGEST: usize = 500;

fn sources(root: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

fn name(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    path.strip_prefix(root)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// The code of a file, without its tests and its comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs")
}

fn room(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("src/")?;
    let room = rest.split('/').next()?.trim_end_matches(".rs");
    (!matches!(room, "main" | "lib")).then_some(room)
}

#[test]
fn every_arrow_is_in_the_list() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let name = name(&path);
        let Some(room) = room(&name).filter(|_| !is_test(&name)) else {
            continue;
        };
        let (_, allowed) = ARROWS
            .iter()
            .find(|(own, _)| *own == room)
            .unwrap_or_else(|| panic!("the room of {name} is not in the list"));
        let code = code(&path);
        for (start, _) in code.match_indices("crate::") {
            let rest = &code[start + "crate::".len()..];
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let target = &rest[..end];
            if target != room && !allowed.contains(&target) {
                wrong.push(format!(
                    "{name} names crate::{target}; {room} may name {allowed:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_belongs_to_one_room_stays_there() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let name = name(&path);
        let code = code(&path);
        for (word, places) in KEPT_IN {
            let named = code.match_indices(word).any(|(start, _)| {
                let before = code[..start].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                    && !code[..start].ends_with("store::")
            });
            if named && !places.iter().any(|place| name.starts_with(place)) {
                wrong.push(format!("{name} names {word}, which stays in {places:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_domain_names_no_other_crate() {
    let mut named = BTreeSet::new();
    for path in sources("src/domain") {
        for line in code(&path).lines() {
            let Some(rest) = line.trim_start().strip_prefix("use ") else {
                continue;
            };
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            named.insert(rest[..end].to_owned());
        }
    }
    let strangers: Vec<_> = named
        .iter()
        .filter(|name| !OF_THE_DOMAIN.contains(&name.as_str()))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[test]
fn every_file_says_first_what_it_is_for_and_is_not_too_long() {
    let mut wrong = Vec::new();
    for path in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = name(&path);
        if !text.starts_with("//! ") {
            wrong.push(format!(
                "{name} does not begin with a line that says what it is for"
            ));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            wrong.push(format!(
                "{name} has {lines} lines; split it by purpose, at {LONGEST}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"] {
            if text.contains(word) {
                wrong.push(format!("{} has a {word}", name(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn h32_every_crate_is_locked_to_a_sum_and_from_the_one_registry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let mut crates = 0;
    for package in lock.split("[[package]]").skip(1) {
        let value = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches(" = ").trim_matches('"'))
        };
        let name = value("name").unwrap();
        if name == env!("CARGO_PKG_NAME") {
            continue;
        }
        crates += 1;
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        assert_eq!(value("source"), Some(registry), "{name}");
        let sum = value("checksum").unwrap_or_default();
        assert_eq!(sum.len(), 64, "{name} has no checksum");
    }
    assert!(crates > 50);
    // What is unmaintained does not move by itself.
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for pinned in ["sled = \"=0.34.7\"", "version = \"=2.0.1\""] {
        assert!(manifest.contains(pinned), "{pinned}");
    }
    // No build goes past the lock.
    for script in ["tests/run", "tests/soak", ".ci/run"] {
        let text = std::fs::read_to_string(root.join(script)).unwrap();
        let builds = |line: &&str| {
            ["cargo build", "cargo test", "cargo clippy", "cargo doc"]
                .iter()
                .any(|command| line.trim_start().starts_with(command))
        };
        for line in text.lines().filter(builds) {
            assert!(line.contains("--locked"), "{script}: {line}");
        }
    }
}

#[test]
fn h32_no_code_of_ours_is_unsafe() {
    for path in sources("src") {
        let text = code(&path);
        let word = |text: &str| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "unsafe")
        };
        assert!(!word(&text), "{}", name(&path));
    }
}
