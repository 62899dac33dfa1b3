//! Updates clients at random with 64 callers, for `tests/large/run`, which says what is there.
//!
//! Arguments: the address, how many clients each tenant has (`client-0000000` and so on), how many
//! updates to make, and after how many of them to write a line: updates, seconds. Standard input: a
//! token, then the tenants' ids, a line each.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

mod driver;

use std::io::{Write as _, read_to_string, stdin, stdout};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use credenza::bench::draw::Draw;
use driver::Connection;

const CALLERS: u64 = 64;

fn main() {
    let numbers: Vec<String> = std::env::args().filter(|word| word != "--bench").collect();
    let [_, address, clients, updates, step] = &numbers[..] else {
        eprintln!("update ADDRESS CLIENTS-OF-A-TENANT UPDATES STEP: see tests/large/run");
        return;
    };
    let address: SocketAddr = address.parse().expect("an address");
    let number = |text: &str| text.parse::<u64>().expect("a number above 0").max(1);
    let (clients, updates, step) = (number(clients), number(updates), number(step));
    let input = read_to_string(stdin()).expect("standard input is text");
    let mut lines = input.lines();
    let token = lines.next().expect("a token");
    let tenants: Vec<&str> = lines.collect();

    let started = Instant::now();
    let (begun, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = |caller: u64| {
        let mut connection = Connection::open(address, token).expect("a connection");
        let mut draw = Draw::new(caller << 40);
        while begun.fetch_add(1, Ordering::Relaxed) < updates {
            let tenant = tenants[(draw.number() % tenants.len() as u64) as usize];
            let client = draw.number() % clients;
            let request =
                format!("PUT /api/v1/Tenants/{tenant}/ClientCredentialClients/client-{client:07}");
            let body = format!(r#"{{"Name":"Client {:016x}"}}"#, draw.number());
            connection
                .call_json(&request, &body, 200)
                .expect("a client is updated");
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_multiple_of(step) {
                let seconds = started.elapsed().as_secs_f64();
                let _ = writeln!(stdout(), "{count} {seconds:.3}");
            }
        }
    };
    std::thread::scope(|scope| {
        for caller in 1..=CALLERS {
            let work = &work;
            scope.spawn(move || work(caller));
        }
    });
}
