//! What the machine offers: the one place that reads Linux's `/proc` and `/sys`.
//!
//! On a system without these files nothing is found and a cautious default holds.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// What is assumed where the machine does not say.
const UNKNOWN_MACHINE: u64 = 1 << 30;

/// How much memory this process may use, in bytes: the smaller of the machine's RAM and the limit
/// of its control groups (version 2 or 1); 1 GiB where neither can be read.
pub fn available_memory() -> u64 {
    memory_under(Path::new("/"))
}

fn memory_under(root: &Path) -> u64 {
    [ram(root), cgroup_limit(root)]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(UNKNOWN_MACHINE)
}

fn ram(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

/// The smallest limit of the groups that the process is in and of all their ancestors.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, group) = (fields.next()?, fields.next()?);
            let (mount, file) = if controllers.is_empty() {
                ("sys/fs/cgroup", "memory.max")
            } else if controllers.split(',').any(|name| name == "memory") {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            } else {
                return None;
            };
            smallest_limit(&root.join(mount), group, file)
        })
        .min()
}

fn smallest_limit(mount: &Path, group: &str, file: &str) -> Option<u64> {
    Path::new(group.trim_start_matches('/'))
        .ancestors()
        .filter_map(|ancestor| {
            // "max", and a group that is not mounted here, set no limit.
            let text = fs::read_to_string(mount.join(ancestor).join(file)).ok()?;
            text.trim().parse().ok()
        })
        .min()
}

/// What of a process is in memory now, and what was at most, in bytes.
pub fn memory_of(process: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1_024)
    };
    Some((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

/// How much time of processors a process has taken so far, in user space and in the system.
pub fn processor_time_of(process: u32) -> Option<Duration> {
    /// Of what user space is told in: 100 in a second on every architecture that we build for.
    const TICK: Duration = Duration::from_millis(10);
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything: user time is the 12th word, the system's the 13th.
    let words = text.rsplit(')').next()?.split_whitespace().skip(11).take(2);
    let ticks: Option<Vec<u32>> = words.map(|word| word.parse().ok()).collect();
    Some(TICK * ticks?.iter().sum())
}

/// What a person calls the machine: system, processor, how many of it, and memory.
pub fn description() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    let cores = information
        .lines()
        .filter(|line| line.starts_with("processor"));
    let cores = cores.count().max(1);
    let release = read("/proc/sys/kernel/osrelease");
    let gibibytes = ram(Path::new("/")).unwrap_or_default() as f64 / f64::from(1 << 30);
    format!(
        "{cores} × {model}, {gibibytes:.1} GiB, {} {}",
        std::env::consts::OS,
        release.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:        8000000 kB\nMemFree:          100000 kB\n";
    const RAM: u64 = 8_000_000 * 1_024;

    fn machine(files: &[(&str, &str)]) -> u64 {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        memory_under(root.path())
    }

    #[test]
    fn an_unknown_machine_has_one_gibibyte() {
        assert_eq!(machine(&[]), 1 << 30);
        assert_eq!(machine(&[("proc/meminfo", "MemTotal: much\n")]), 1 << 30);
    }

    #[test]
    fn without_a_limit_it_is_the_ram() {
        let unlimited = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/user.slice\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
        ];
        assert_eq!(machine(&unlimited[..1]), RAM);
        assert_eq!(machine(&unlimited), RAM);
    }

    #[test]
    fn the_limit_of_an_ancestor_holds_too() {
        let limited = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/system.slice/credenza.service\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "268435456\n"),
            (
                "sys/fs/cgroup/system.slice/credenza.service/memory.max",
                "536870912\n",
            ),
        ];
        assert_eq!(machine(&limited), 268_435_456);
    }

    #[test]
    fn version_1_is_read_and_its_unlimited_is_no_limit() {
        let group = (
            "proc/self/cgroup",
            "5:cpu,cpuacct:/a\n4:memory:/docker/abc\n",
        );
        let file = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        let ram = ("proc/meminfo", MEMINFO);
        assert_eq!(machine(&[ram, group, (file, "104857600\n")]), 104_857_600);
        assert_eq!(machine(&[ram, group, (file, "9223372036854771712\n")]), RAM);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_and_takes_time() {
        let (now, most) = memory_of(std::process::id()).unwrap();
        assert!(now > 0 && now <= most);
        let mut sum = 0_u64;
        while processor_time_of(std::process::id()).unwrap() < Duration::from_millis(10) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(memory_of(0).is_none());
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(available_memory() > 1 << 20);
    }
}
