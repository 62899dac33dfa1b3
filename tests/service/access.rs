//! The table of who may do what, printed, is the one that was agreed on.

use std::fmt::Write;
use std::path::Path;

use credenza::domain::access::Operation;

/// The table of `domain::access`, a line an operation.
fn printed() -> String {
    let mut table = String::new();
    for operation in Operation::ALL {
        let who = operation.allowed().iter().map(|who| format!("{who:?}"));
        let who: Vec<_> = who.collect();
        writeln!(table, "{operation:?}: {}", who.join(", ")).unwrap();
    }
    table
}

#[test]
fn the_table_is_the_golden_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/access.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, printed()).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        printed() == golden,
        "Who may do what has changed. If that is meant and contract section 1 says so, run\n  \
         UPDATE_GOLDEN=1 cargo test --test service access\n\
         and read the difference of {} before you commit it. It is now:\n{}",
        path.display(),
        printed()
    );
}
