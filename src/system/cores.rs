//! Processors of their own for two sides of a measurement, so that neither takes the other's time.
//!
//! Linux only; elsewhere, and on a machine with one processor, nothing is divided.

/// The processors that this process may use, in two parts. A thread takes those of the thread that
/// started it, and so does a process.
#[derive(Clone, Debug, Default)]
pub struct Cores {
    server: Vec<usize>,
    load: Vec<usize>,
}

impl Cores {
    /// Gives half of the processors to a server, rounded down, and the rest to this thread and those
    /// that it starts.
    pub fn divide() -> Self {
        let mut server = own();
        if server.len() < 2 {
            return Self::default();
        }
        let load = server.split_off(server.len() / 2);
        let divided = Self { server, load };
        use_only(&divided.load);
        divided
    }

    /// Whether the two sides have processors of their own.
    pub fn are_divided(&self) -> bool {
        !self.server.is_empty()
    }

    /// How many a server has; 0 where nothing is divided.
    pub fn of_server(&self) -> usize {
        self.server.len()
    }

    /// How many the load has; where nothing is divided, 1.
    pub fn of_load(&self) -> usize {
        self.load.len().max(1)
    }

    /// Starts something on the processors of the server.
    pub fn server<T>(&self, start: impl FnOnce() -> T) -> T {
        if !self.are_divided() {
            return start();
        }
        use_only(&self.server);
        let started = start();
        use_only(&self.load);
        started
    }
}

/// Those that this thread may use.
#[cfg(target_os = "linux")]
fn own() -> Vec<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    sched_getaffinity(None).map_or_else(
        |_| Vec::new(),
        |set| {
            (0..CpuSet::MAX_CPU)
                .filter(|core| set.is_set(*core))
                .collect()
        },
    )
}

#[cfg(not(target_os = "linux"))]
fn own() -> Vec<usize> {
    Vec::new()
}

/// Keeps this thread on some processors. That the system refuses costs only precision.
#[cfg(target_os = "linux")]
fn use_only(cores: &[usize]) {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    if let Err(error) = sched_setaffinity(None, &set) {
        log::warn!("processors cannot be divided: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn use_only(_: &[usize]) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn both_sides_together_have_all_of_them_and_share_none() {
        std::thread::spawn(|| {
            let all = own();
            let cores = Cores::divide();
            if all.len() < 2 {
                assert!(!cores.are_divided());
                return;
            }
            let seen = cores.server(|| std::thread::spawn(own).join().unwrap());
            assert_eq!(seen, cores.server);
            assert_eq!(own(), cores.load);
            assert_eq!([seen, own()].concat(), all);
        })
        .join()
        .unwrap();
    }
}
