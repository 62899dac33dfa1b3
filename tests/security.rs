//! The rules of protocol and the threats, by number: each has a test whose name begins with its
//! number, or is excused here with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The parts of the list: the letter of its numbers, and how many there are.
const PARTS: [(&str, usize); 6] = [
    // Token endpoint, what is asked of it.
    ("T", 38),
    // The life of clients and secrets.
    ("L", 19),
    // What is in a token.
    ("J", 11),
    // The management API, to which tokens are shown.
    ("RS", 28),
    // Discovery and keys.
    ("D", 12),
    // Threats.
    ("H", 34),
];

/// Lines without a test, and why: at most [`MOST_EXCUSED`], and none of [`MUSTS`].
const EXCUSED: &[(&str, &str)] = &[(
    "H22",
    "There is no console yet: nothing of the service is shown in a browser.",
)];

const MOST_EXCUSED: usize = 8;

/// Lines whose tests are being written.
const STILL_MISSING: &[&str] = &["T35", "H01", "H04", "H16", "H17"];

/// What the RFCs say must be so. D06 is tested as far as two of them do not contradict each other;
/// that RS256 is not offered, which RFC 9068 section 2.1 asks for, `docs/divergences.md` says.
const MUSTS: &[&str] = &[
    "T01", "T03", "T04", "T06", "T07", "T08", "T09", "T11", "T12", "T14", "T15", "T16", "T18",
    "T19", "T20", "T21", "T22", "T23", "T24", "T25", "T26", "T28", "T29", "T30", "T32", "T33",
    "T35", "T36", "J01", "J02", "J04", "J08", "RS03", "RS04", "RS07", "RS09", "RS12", "RS13",
    "RS14", "RS15", "D01", "D02", "D06", "D10",
];

fn lines() -> Vec<String> {
    let part = |(letter, count): (&str, usize)| -> Vec<String> {
        (1..=count).map(|n| format!("{letter}{n:02}")).collect()
    };
    PARTS.into_iter().flat_map(part).collect()
}

/// Everything under `src` and `tests` that is read as text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 100);
    found
}

/// The tests that are functions of this file.
fn tests_of<'a>(path: &Path, text: &'a str) -> Vec<&'a str> {
    let name_behind = |line: &'a str, word: &str| {
        let (_, rest) = line.split_once(word)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        Some(&rest[..end?])
    };
    let is_program = path.to_string_lossy().contains("/tests/clients/");
    let mut found = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim_start) {
        if path.extension().is_some_and(|extension| extension == "rs") && !is_program {
            marked |= line.starts_with("#[test]");
            if let Some(name) = name_behind(line, "fn ").filter(|_| line.starts_with("fn ")) {
                found.extend(marked.then_some(name));
                marked = false;
            }
            continue;
        }
        let words = ["def ", "fn ", "function ", "async function "];
        for word in words.into_iter().filter(|word| line.starts_with(word)) {
            // A function of a script is a test if something calls it.
            let name = name_behind(line, word).unwrap_or_default();
            let called = text.matches(&format!("{name}(")).count() > 1;
            found.extend(called.then_some(name));
        }
    }
    found
}

/// The tests of each line.
fn tests() -> BTreeMap<String, Vec<String>> {
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in sources() {
        for name in tests_of(&path, &text) {
            let (number, _) = name.split_once('_').unwrap_or((name, ""));
            let all = tests.entry(number.to_uppercase()).or_default();
            all.push(name.to_owned());
        }
    }
    tests
}

fn excused() -> BTreeSet<&'static str> {
    EXCUSED.iter().map(|(line, _)| *line).collect()
}

#[test]
fn every_line_has_a_test_or_an_excuse() {
    let tests = tests();
    let excused = excused();
    let without: Vec<_> = lines()
        .into_iter()
        .filter(|line| !excused.contains(line.as_str()) && !STILL_MISSING.contains(&line.as_str()))
        .filter(|line| !tests.contains_key(line))
        .collect();
    assert!(without.is_empty(), "no test begins with {without:?}");
}

#[test]
fn what_has_a_test_is_neither_excused_nor_missing() {
    let tests = tests();
    let lines = lines();
    for line in excused().iter().chain(STILL_MISSING) {
        assert!(lines.iter().any(|own| own == line), "{line} is no line");
        let found = tests.get(*line);
        assert!(found.is_none(), "{line} has a test now: {found:?}");
    }
}

#[test]
fn few_lines_are_excused_and_none_that_an_rfc_lays_down() {
    let lines = lines();
    assert!(EXCUSED.len() <= MOST_EXCUSED);
    for must in MUSTS {
        assert!(lines.iter().any(|line| line == must), "{must} is no line");
    }
    for (line, why) in EXCUSED {
        assert!(!MUSTS.contains(line), "{line} is laid down by an RFC");
        assert!(why.ends_with('.'), "{line} has no reason");
    }
}

#[test]
fn a_name_alone_is_no_test() {
    let rust = Path::new("/x/tests/a.rs");
    let text =
        "#[test]\nfn t01_a() {}\nfn t02_b() {}\n    #[test]\n    #[cfg(unix)]\n    fn t03_c() {}\n";
    assert_eq!(tests_of(rust, text), ["t01_a", "t03_c"]);
    let script = Path::new("/x/tests/run");
    let text = "def t01_a():\n    pass\ndef t02_b():\n    t01_a()\n";
    assert_eq!(tests_of(script, text), ["t01_a"]);
}
