//! What commands that move data have in common: a file on one side, the store on the other, and a
//! line for the person in front.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::DataArgument;
use super::archive_file::ArchiveFile;
use super::reach;
use crate::control::{Answer, Output, Request};
use crate::service::archive::Progress;
use crate::system::clock::monotonic_now;

/// Writes an archive to a file, and gives what was taken.
pub fn archive(data: &DataArgument, request: &Request, to: &Path) -> Result<Archived, String> {
    let started = monotonic_now();
    let mut output = ToFile {
        file: ArchiveFile::create(to)?,
        bar: Bar::new(),
    };
    let answer = reach::perform(data, request, &mut output);
    output.bar.clear();
    let Answer::Archived {
        tenants,
        clients,
        bytes,
        taken,
    } = answer?
    else {
        return Err("the service answered something else than was asked".to_owned());
    };
    output.file.finish()?;
    Ok(Archived {
        summary: summary(tenants, clients, bytes, started),
        taken,
    })
}

pub struct Archived {
    /// Tenants, clients, bytes, seconds, MB/s.
    pub summary: String,
    pub taken: String,
}

/// What was moved and how fast.
pub fn summary(tenants: u64, clients: u64, bytes: u64, started: Instant) -> String {
    let seconds = monotonic_now()
        .saturating_duration_since(started)
        .as_secs_f64();
    let rate = bytes as f64 / 1e6 / seconds.max(1e-3);
    format!(
        "{}, {}, {bytes} bytes in {seconds:.2} s ({rate:.1} MB/s)",
        counted(tenants, "tenant"),
        counted(clients, "client"),
    )
}

/// `1 client`, `2 clients`.
pub fn counted(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

struct ToFile {
    file: ArchiveFile,
    bar: Bar,
}

impl Output for ToFile {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn progress(&mut self, progress: Progress) -> io::Result<()> {
        self.bar.show(progress);
        Ok(())
    }
}

/// A line on standard error that says how far it is: only where a person sees it.
pub struct Bar {
    seen: bool,
    shown: Option<Instant>,
}

impl Bar {
    const EVERY: Duration = Duration::from_millis(100);

    pub fn new() -> Self {
        Self {
            seen: io::stderr().is_terminal(),
            shown: None,
        }
    }

    pub fn show(&mut self, progress: Progress) {
        const WIDTH: usize = 30;
        let now = monotonic_now();
        let soon = self.shown.is_some_and(|last| now < last + Self::EVERY);
        if !self.seen || soon || progress.of_tenants == 0 {
            return;
        }
        self.shown = Some(now);
        let part = progress.clients as f64 / progress.of_clients.max(1) as f64;
        let done = (progress.tenants as f64 + part) / progress.of_tenants as f64;
        let filled = ((done * WIDTH as f64) as usize).min(WIDTH);
        let _ = write!(
            io::stderr(),
            "\r[{}{}] tenant {} of {}, client {} of {}\x1b[K",
            "#".repeat(filled),
            "-".repeat(WIDTH - filled),
            (progress.tenants + 1).min(progress.of_tenants),
            progress.of_tenants,
            progress.clients,
            progress.of_clients,
        );
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
