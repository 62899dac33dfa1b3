//! Backups that the service takes by itself: into a directory, every so often, the newest ones kept.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cli::archive_file::{ArchiveFile, PARTIAL, remove_abandoned};
use crate::domain::times::Timestamp;
use crate::service::archive::{self, Source, Wanted};
use crate::store::archive::{Kind, read_header};

const BEFORE_TIME: &str = "credenza-";
const BEHIND_TIME: &str = ".backup";
/// How often it is asked whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where to, how often, and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub directory: PathBuf,
    pub every: Duration,
    pub keep: usize,
}

impl Schedule {
    /// When the newest backup of this store in the directory was taken: the next one is counted from
    /// it, so that restarts put nothing off.
    fn newest(&self, source: &Source) -> Result<Option<Timestamp>, String> {
        Ok(self.backups(source)?.pop().map(|(taken, _)| taken))
    }

    /// Whether one is due, where the last turn was at some time.
    fn is_due(&self, now: Timestamp, last: Option<Timestamp>) -> bool {
        let seconds = i64::try_from(self.every.as_secs()).unwrap_or(i64::MAX);
        match last {
            Some(last) if last <= now => now.unix_seconds() - last.unix_seconds() >= seconds,
            // A clock that was set back makes no backup wait for the time that it had reached.
            _ => true,
        }
    }

    /// The whole backups of this store in the directory that a schedule has named, oldest first.
    fn backups(&self, source: &Source) -> Result<Vec<(Timestamp, PathBuf)>, String> {
        let mut found = Vec::new();
        for (name, path) in self.entries()? {
            let Some(taken) = taken_of(&name) else {
                continue;
            };
            let header = File::open(&path).map(BufReader::new).map(read_header);
            if matches!(header, Ok(Ok(header)) if header.store == source.id) {
                found.push((taken, path));
            }
        }
        found.sort();
        Ok(found)
    }

    fn entries(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let cannot =
            |error: io::Error| format!("cannot read {}: {error}", self.directory.display());
        let mut entries = Vec::new();
        for entry in self.directory.read_dir().map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            if let Ok(name) = entry.file_name().into_string() {
                entries.push((name, entry.path()));
            }
        }
        Ok(entries)
    }

    /// Takes one, and removes the oldest beyond those that are kept. Whatever has a name that a
    /// schedule does not give stays.
    fn take(
        &self,
        source: &Source,
        runtime: &tokio::runtime::Runtime,
        stopped: &Receiver<()>,
    ) -> Result<String, String> {
        self.remove_unfinished()?;
        let now = source.clock.now();
        let path = self.directory.join(name_of(now));
        let mut file = ArchiveFile::create(&path)?;
        let wanted = Wanted {
            kind: Kind::Backup,
            tenant: None,
            key: None,
        };
        let out = BufWriter::with_capacity(64 * 1024, &mut file);
        let mut unless_stopped = |_| match stopped.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            _ => Err(io::Error::other("the service stops")),
        };
        let taken = runtime.block_on(archive::take(source, wanted, out, &mut unless_stopped))?;
        file.finish()?;
        let mut backups = self.backups(source)?;
        // Those of a time that is to come were named by a clock that was wrong: they go first.
        backups.sort_by_key(|(taken, _)| (*taken <= now, *taken));
        backups.truncate(backups.len().saturating_sub(self.keep));
        for (_, old) in backups {
            fs::remove_file(&old)
                .map_err(|error| format!("cannot remove {}: {error}", old.display()))?;
            log::info!(
                "backup {} is removed: {} are kept",
                old.display(),
                self.keep
            );
        }
        Ok(format!(
            "{}: {} tenants, {} clients, {} bytes",
            path.display(),
            taken.totals.tenants,
            taken.totals.clients,
            taken.totals.bytes
        ))
    }

    /// Removes what a service that was killed left behind.
    fn remove_unfinished(&self) -> Result<(), String> {
        for (name, path) in self.entries()? {
            if name
                .strip_suffix(PARTIAL)
                .is_some_and(|name| taken_of(name).is_some())
            {
                remove_abandoned(&path)?;
            }
        }
        Ok(())
    }
}

/// `credenza-20300601T120000Z.backup`.
fn name_of(time: Timestamp) -> String {
    let compact: String = time
        .whole_seconds()
        .to_string()
        .chars()
        .filter(|character| !matches!(character, '-' | ':'))
        .collect();
    format!("{BEFORE_TIME}{compact}{BEHIND_TIME}")
}

/// The time in a name that [`name_of`] gave; of any other name nothing.
fn taken_of(name: &str) -> Option<Timestamp> {
    let time = name.strip_prefix(BEFORE_TIME)?.strip_suffix(BEHIND_TIME)?;
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    if !(time.is_ascii() && date.len() == 8 && clock.len() == 6) {
        return None;
    }
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &clock[..2],
        &clock[2..4],
        &clock[4..]
    );
    let time = Timestamp::parse("name", &text).ok()?;
    (name_of(time) == name).then_some(time)
}

/// The thread that takes them.
pub struct Scheduled {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Scheduled {
    pub fn start(schedule: Schedule, source: Source) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("backups".into())
            .spawn(move || run(&schedule, &source, &runtime, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Gives up the one that is being taken, if one is. Blocks until nothing uses the store.
    pub fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

fn run(
    schedule: &Schedule,
    source: &Source,
    runtime: &tokio::runtime::Runtime,
    stopped: &Receiver<()>,
) {
    // The last turn, once it is known.
    let mut last: Option<Option<Timestamp>> = None;
    // One word for a failure that repeats itself at every look.
    let mut told = false;
    loop {
        if last.is_none() {
            match schedule.newest(source) {
                Ok(newest) => last = Some(newest),
                Err(why) if !told => {
                    log::error!("no backup can be taken: {why}");
                    told = true;
                }
                Err(_) => {}
            }
        }
        let now = source.clock.now();
        if last.is_some_and(|last| schedule.is_due(now, last)) {
            last = Some(Some(now));
            match schedule.take(source, runtime, stopped) {
                Ok(taken) => log::info!("backup {taken}"),
                Err(why) => log::error!("no backup was taken; the next turn tries again: {why}"),
            }
        }
        match stopped.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

/// A whole number of seconds, minutes, hours or days: `90s`, `30m`, `6h`, `1d`.
pub fn parse_every(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    units
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .and_then(|(digits, unit)| digits.parse::<u32>().ok().map(|n| u64::from(n) * unit))
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("'{text}' is not a time such as 30m, 6h or 1d"))
}

/// Whether a directory can be written to, so that a mistake is told at start and not at night.
pub fn prepare(directory: &Path) -> Result<(), String> {
    let cannot = |error: io::Error| {
        format!(
            "--backup-dir {}: {error}; name a directory that can be written",
            directory.display()
        )
    };
    if !directory.is_dir() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory).map_err(cannot)?;
    }
    directory.read_dir().map(|_| ()).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_its_time_and_no_other_name_is_ours() {
        let time = Timestamp::parse("t", "2030-06-01T12:34:56.789Z").unwrap();
        let name = name_of(time);
        assert_eq!(name, "credenza-20300601T123456Z.backup");
        assert_eq!(taken_of(&name), Some(time.whole_seconds()));
        for other in [
            "credenza-20300601T123456Z.backup.partial",
            "credenza-20300601T123456.backup",
            "credenza-20301301T123456Z.backup",
            "credenza-2030-6-1T123456Z.backup",
            "credenza-ä0300601T12345Z.backup",
            "credenza-.backup",
            "my-20300601T123456Z.backup",
            "credenza-20300601T123456Z.backup~",
        ] {
            assert_eq!(taken_of(other), None, "{other}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        let seconds = |text: &str| parse_every(text).map(|every| every.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("6h"), Ok(21_600));
        assert_eq!(seconds("1d"), Ok(86_400));
        for text in [
            "",
            "6",
            "h",
            "0h",
            "-1h",
            "1.5h",
            "6 h",
            "6H",
            "99999999999d",
        ] {
            assert!(parse_every(text).is_err(), "{text}");
        }
    }
}
