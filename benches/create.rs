//! How many clients are created in a second, over HTTP and durable, beside raw sled batches with the
//! same sync. `cargo bench --bench create [-- --quick] [-- --directory DIR]`; docs/benchmarks.md.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

mod driver;
mod floor;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use credenza::bench::draw::Draw;
use credenza::bench::median;
use credenza::system::machine::processor_time_of;
use driver::service::Service;
use driver::{Measured, measure, quantile};
use floor::Floor;

const CALLERS: [usize; 3] = [1, 8, 64];
const ROUNDS: usize = 5;

/// One of both, over all rounds.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    times: Vec<Duration>,
    operations: usize,
}

impl Side {
    fn add(&mut self, measured: Measured) {
        self.rates.push(measured.rate);
        self.operations += measured.operations;
        self.times.extend(measured.times);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let directory = arguments
        .iter()
        .position(|argument| argument == "--directory");
    let directory = directory.and_then(|place| arguments.get(place + 1));
    // On the disk of the build: the directory for temporary files may be memory.
    let directory = directory.map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let time = Duration::from_millis(if quick { 450 } else { 3_000 });

    let data = tempfile::tempdir_in(&directory).expect("the directory can be written");
    let service = Service::start(&data.path().join("service"));
    let floor = Floor::start(&data.path().join("floor"));
    println!(
        "Creating clients without tags: {ROUNDS} rounds of {:.2} s each, in turn, in {}",
        time.as_secs_f64(),
        directory.display()
    );
    println!();
    println!(
        "| callers | created/s | raw sled/s | ratio | from … to | p50, p99 of one | of raw sled |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    let mut rates = Vec::new();
    let mut costs = Vec::new();
    for callers in CALLERS {
        let (mut ours, mut raw) = (Side::default(), Side::default());
        let mut cost = [0.0; 3];
        for round in 0..ROUNDS {
            // Whoever is second finds what the first one left to the disk: they take turns.
            for side in [round % 2, (round + 1) % 2] {
                let before = (processor_seconds_of(service.process()), own());
                if side == 0 {
                    ours.add(create(&service, callers, time));
                    cost[0] += processor_seconds_of(service.process()) - before.0;
                    cost[1] += own() - before.1;
                } else {
                    raw.add(write(&floor, callers, time));
                    cost[2] += own() - before.1;
                }
            }
        }
        let ratios: Vec<f64> = ours
            .rates
            .iter()
            .zip(&raw.rates)
            .map(|(a, b)| a / b)
            .collect();
        println!(
            "| {callers} | {:.0} | {:.0} | {:.2} | {:.2} … {:.2} | {:.2}, {:.2} ms | {:.2}, {:.2} ms |",
            median(ours.rates.clone()),
            median(raw.rates.clone()),
            median(ratios.clone()),
            ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
            quantile(&mut ours.times, 0.5),
            quantile(&mut ours.times, 0.99),
            quantile(&mut raw.times, 0.5),
            quantile(&mut raw.times, 0.99),
        );
        rates.push((median(ours.rates.clone()), median(raw.rates.clone())));
        let each = |seconds: f64, operations: usize| seconds * 1e6 / operations as f64;
        costs.push(format!(
            "{callers} callers: service {:.0}, driver {:.0}, raw sled with its callers {:.0}",
            each(cost[0], ours.operations),
            each(cost[1], ours.operations),
            each(cost[2], raw.operations)
        ));
    }
    println!();
    let (one, most) = (rates[0], rates[CALLERS.len() - 1]);
    println!(
        "64 callers against 1: {:.1} times; raw sled {:.1} times",
        most.0 / one.0,
        most.1 / one.1
    );
    println!("Processor time of one creation in µs: {}", costs.join("; "));
    let alone = answer_only(&service, time / 2);
    println!(
        "The driver with 64 callers where the service only answers (an empty list): {alone:.0}/s"
    );
}

/// The processor time of a process so far, in seconds; 0 where the machine does not tell.
fn processor_seconds_of(process: u32) -> f64 {
    processor_time_of(process).unwrap_or_default().as_secs_f64()
}

/// The processor time of this process: the driver and, in its turn, raw sled.
fn own() -> f64 {
    processor_seconds_of(std::process::id())
}

/// Ids that no caller of any round has twice.
fn seed() -> u64 {
    static CALLER: AtomicU64 = AtomicU64::new(1);
    CALLER.fetch_add(1, Ordering::Relaxed) << 40
}

fn id(draw: &mut Draw) -> String {
    format!("{:016x}{:016x}", draw.number(), draw.number())
}

/// A tenant of its own each time: how large one is plays no part.
fn new_tenant(service: &Service) -> String {
    let mut connection = service.connect();
    let body = r#"{"CompanyName":"Benchmark"}"#;
    let answer = connection
        .call_json("POST /api/v1/Tenants", body, 201)
        .expect("a tenant is created");
    let answer: serde_json::Value = serde_json::from_slice(answer).expect("it is JSON");
    answer["Id"].as_str().expect("it has an id").to_owned()
}

fn create(service: &Service, callers: usize, time: Duration) -> Measured {
    let tenant = new_tenant(service);
    let request = format!("POST /api/v1/Tenants/{tenant}/ClientCredentialClients");
    measure(callers, time, || {
        let mut connection = service.connect();
        let mut draw = Draw::new(seed());
        let request = &request;
        move || {
            let id = id(&mut draw);
            let body = format!(r#"{{"Id":"{id}","Name":"{id}"}}"#);
            connection
                .call_json(request, &body, 201)
                .expect("a client is created");
        }
    })
}

fn write(floor: &Floor, callers: usize, time: Duration) -> Measured {
    let mut tenant = Draw::new(seed());
    let tenant = [tenant.number().to_be_bytes(), tenant.number().to_be_bytes()].concat();
    measure(callers, time, || {
        let caller = floor.caller();
        let mut draw = Draw::new(seed());
        let tenant = &tenant;
        move || caller.create(tenant, &id(&mut draw))
    })
}

fn answer_only(service: &Service, time: Duration) -> f64 {
    let tenant = new_tenant(service);
    let request = format!("GET /api/v1/Tenants/{tenant}/ClientCredentialClients");
    let measured = measure(64, time, || {
        let mut connection = service.connect();
        let request = &request;
        move || {
            connection
                .call_json(request, "", 200)
                .expect("a list is answered");
        }
    });
    measured.rate
}
