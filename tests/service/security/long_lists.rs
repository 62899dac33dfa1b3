//! Lists of a full tenant (H34): every page is right wherever it lies, and costs no more than
//! another one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use credenza::system::clock::monotonic_now;
use serde_json::json;

use crate::harness::dice::Dice;
use crate::harness::{Caller, Server, how_many};

const CLIENTS: &str = "/ClientCredentialClients";
const PAGE: u64 = 100;
/// From so many clients on it is worth measuring.
const MANY: u64 = 50_000;

/// Fills the caller's tenant.
fn fill(operator: &Caller, clients: u64) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= clients {
                        return;
                    }
                    let body = json!({ "Id": format!("listed-{number:06}"), "Tags": ["all"] });
                    operator.post(&operator.v1(CLIENTS), &body).expect(201);
                }
            });
        }
    });
}

#[test]
fn h34_every_page_of_a_long_list_is_right_and_costs_the_same() {
    let clients = how_many("CREDENZA_LISTED", 400);
    let server = Server::start();
    let tenant = server.new_tenant("Long");
    let operator = server.operator().in_tenant(&tenant);
    fill(&operator, clients);
    let page = |query: &str, skip: u64| {
        let query = format!("{CLIENTS}?skip={skip}&count={PAGE}{query}");
        let begun = monotonic_now();
        let answer = operator.get(&operator.v1(&query)).expect(200);
        let taken = begun.elapsed();
        assert_eq!(answer.total() as u64, clients);
        let expected: Vec<_> = (skip..clients.min(skip + PAGE))
            .map(|number| format!("listed-{number:06}"))
            .collect();
        assert_eq!(answer.ids(), expected, "{query}");
        taken
    };
    let mut dice = Dice(34);
    let near = clients / 10;
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for _ in 0..clients.min(2_000) / 4 {
        for tag in ["", "&tag=all"] {
            early.push(page(tag, dice.below(near)));
            late.push(page(tag, clients - near + dice.below(near)));
        }
    }
    page("", clients);
    page("", 0);
    if clients >= MANY {
        early.sort();
        late.sort();
        let (of_early, of_late) = (early[early.len() / 2], late[late.len() / 2]);
        let slow = late[late.len() * 99 / 100];
        println!("medians: early pages {of_early:?}, late ones {of_late:?}; p99 {slow:?}");
        assert!(of_late < 2 * of_early, "{of_late:?} against {of_early:?}");
        assert!(slow < Duration::from_millis(20), "{slow:?}");
    }
}
