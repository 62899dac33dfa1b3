//! What a bare `sled::open` of a directory takes, with the service's settings and nothing else of
//! it: prints seconds. For `tests/large/run`. The directory is sled's, not the data directory.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::time::Instant;

fn main() {
    let Some(directory) = std::env::args().skip(1).find(|word| word != "--bench") else {
        eprintln!("open DIRECTORY: see tests/large/run");
        return;
    };
    let started = Instant::now();
    let db = sled::Config::new()
        .path(&directory)
        .cache_capacity(16 << 20)
        .flush_every_ms(Some(500))
        .open()
        .expect("sled opens the directory");
    let seconds = started.elapsed().as_secs_f64();
    assert!(db.was_recovered(), "there is no store in {directory}");
    println!("{seconds:.4}");
}
