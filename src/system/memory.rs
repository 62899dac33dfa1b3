//! The memory of this process: the allocator, how much is in use, and giving back what is free.
//!
//! Measured on Linux. Elsewhere the system's allocator serves, and what the directory believes of
//! its tenants stands for all that grows.

#[cfg(not(target_os = "linux"))]
pub use believed::ProcessMemory;
#[cfg(target_os = "linux")]
pub use measured::ProcessMemory;

#[cfg(target_os = "linux")]
mod measured {
    use std::fs;

    use tikv_jemalloc_ctl::{Access as _, AsName as _, arenas, epoch, stats};

    use crate::domain::ports::Memory;

    #[global_allocator]
    static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

    /// The memory of this process, as the kernel and the allocator count it.
    pub struct ProcessMemory {
        page: u64,
    }

    impl Default for ProcessMemory {
        fn default() -> Self {
            Self {
                page: rustix::param::page_size() as u64,
            }
        }
    }

    /// Free memory that is not worth giving back: it is needed again soon.
    const KEPT: u64 = 4 << 20;

    impl ProcessMemory {
        /// What is resident: the program's own pages included, as `VmRSS` of `/proc/self/status`.
        fn resident(&self) -> Option<u64> {
            let text = fs::read_to_string("/proc/self/statm").ok()?;
            let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
            Some(pages * self.page)
        }
    }

    /// What the allocator has and nobody uses.
    fn free() -> u64 {
        // The statistics stand still until the epoch moves on.
        let _ = epoch::advance();
        let kept = stats::resident::read().unwrap_or(0);
        let used = stats::active::read().unwrap_or(0) + stats::metadata::read().unwrap_or(0);
        kept.saturating_sub(used) as u64
    }

    impl Memory for ProcessMemory {
        fn in_use(&self, believed: u64) -> u64 {
            let free = free();
            self.resident()
                .map_or(believed, |resident| resident.saturating_sub(free))
        }

        fn give_back(&self) {
            if free() <= KEPT {
                return;
            }
            for arena in 0..arenas::narenas::read().unwrap_or(0) {
                // No time until free pages are given back gives those back that are free now. An
                // arena that was never used has none.
                let decay = format!("arena.{arena}.dirty_decay_ms\0");
                let time: Result<isize, _> = decay.as_str().name().read();
                if let Ok(time) = time {
                    let _ = decay.as_str().name().write(0_isize);
                    let _ = decay.as_str().name().write(time);
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod believed {
    use crate::domain::ports::Memory;

    /// What besides the tenants is in memory: sled's cache and page table, threads, connections.
    const BESIDES: u64 = (16 + 64) << 20;

    /// The memory of this process, as far as it can be known.
    #[derive(Default)]
    pub struct ProcessMemory;

    impl Memory for ProcessMemory {
        fn in_use(&self, believed: u64) -> u64 {
            BESIDES + believed
        }

        fn give_back(&self) {}
    }
}
