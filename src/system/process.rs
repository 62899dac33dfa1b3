//! How the machine treats this process: what has to be said before the process does anything else.

use std::io;

/// Makes every file that the process creates its owner's alone, whatever the umask of whoever
/// started it, and makes a write beyond the limit of a file's size an error.
///
/// To be called first, while there is one thread. Holds for the life of the process.
#[cfg(unix)]
pub fn prepare() -> io::Result<()> {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use rustix::fs::Mode;
    use signal_hook::consts::SIGXFSZ;

    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // By default this signal ends the process. With a handler the write behind it fails like any
    // other, and nobody needs to read the flag that the handler sets.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// The same; where there is neither a mask nor such a signal, there is nothing to do.
#[cfg(not(unix))]
pub fn prepare() -> io::Result<()> {
    Ok(())
}

/// Lets the process have as many files open at a time as whoever started it allows it to ask for, and
/// says how many those are; `None` where there is no limit that can be asked for.
#[cfg(unix)]
pub fn raise_file_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // More than ever are connections, and little enough for every kernel.
    let wanted = maximum.unwrap_or(MOST_FILES).min(MOST_FILES);
    if current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            return Some(wanted);
        }
    }
    current
}

#[cfg(unix)]
const MOST_FILES: u64 = 65_536;

/// Where nobody counts files, there is no limit.
#[cfg(not(unix))]
pub fn raise_file_limit() -> Option<u64> {
    None
}

/// Asks a process to end, as an operator does. That it is gone already is no failure.
#[cfg(unix)]
pub fn terminate(process: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some(process) = process {
        let _ = kill_process(process, Signal::TERM);
    }
}

/// Where there are no signals, nobody can be asked.
#[cfg(not(unix))]
pub fn terminate(_: u32) {}
