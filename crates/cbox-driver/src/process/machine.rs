//! How much memory and space of this machine is free for what cbox starts.
//!
//! The kernel's own estimate, bounded by the control groups that this process is in: a
//! container or a service may have much less than the machine. Asked anew each time, since
//! it changes while cbox runs.

use std::path::{Path, PathBuf};

/// The memory that can be used without swapping and without crossing a limit, in bytes.
/// `None` where nothing says it (not on Linux, or without `/proc`).
pub fn available_memory() -> Option<u64> {
    available_below(Path::new("/"))
}

/// The bytes that may still be written where `path` is; `None` where nobody can say.
pub fn free_space(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

fn available_below(root: &Path) -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let whole = read("proc/meminfo").and_then(|text| meminfo_available(&text));
    let groups = read("proc/self/cgroup").unwrap_or_default();
    levels(&groups)
        .into_iter()
        .filter_map(|level| level.room(root))
        .chain(whole)
        .min()
}

/// `MemAvailable` of `/proc/meminfo`, which stands there in kB that mean KiB.
fn meminfo_available(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

/// The names of the files in which a version of control groups keeps what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Files {
    mount: &'static str,
    limits: &'static [&'static str],
    usage: &'static str,
    /// The line of `memory.stat` with the file cache that the kernel gives back first.
    reclaimable: &'static str,
}

/// Source: the kernel's "Control Group v2". Beyond `memory.high` a group is slowed down
/// until it is of no use, so that it counts as a limit.
const V2: Files = Files {
    mount: "sys/fs/cgroup",
    limits: &["memory.max", "memory.high"],
    usage: "memory.current",
    reclaimable: "inactive_file",
};

/// Source: the kernel's "Memory Resource Controller" of version 1.
const V1: Files = Files {
    mount: "sys/fs/cgroup/memory",
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
};

/// A control group that bounds this process: its own, or one above.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Level {
    files: Files,
    /// Its path below the mount.
    path: PathBuf,
}

/// The groups that `/proc/self/cgroup` names, each with all above it.
///
/// In a container the path may be the host's, of which only the mount itself is there:
/// groups that cannot be read are passed over later.
fn levels(text: &str) -> Vec<Level> {
    let mut levels = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let files = match controllers {
            "" => V2,
            list if list.split(',').any(|name| name == "memory") => V1,
            _ => continue,
        };
        // Above what this namespace shows there is nothing to be read.
        let path = Path::new(path.trim_start_matches('/'));
        let inside = if path.starts_with("..") {
            Path::new("")
        } else {
            path
        };
        levels.extend(inside.ancestors().map(|path| Level {
            files,
            path: path.to_owned(),
        }));
    }
    levels
}

impl Level {
    /// What may still be used in this group; `None` without a limit.
    fn room(&self, root: &Path) -> Option<u64> {
        let folder = root.join(self.files.mount).join(&self.path);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        // A group without a limit says `max`, which is no number.
        let limits = self.files.limits.iter();
        let limit: u64 = limits
            .filter_map(|name| read(name)?.trim().parse().ok())
            .min()?;
        let usage: u64 = read(self.files.usage)?.trim().parse().ok()?;
        let stat = read("memory.stat").unwrap_or_default();
        let reclaimable = stat_field(&stat, self.files.reclaimable).unwrap_or(0);
        Some(limit.saturating_sub(usage.saturating_sub(reclaimable)))
    }
}

/// A number of `memory.stat`.
fn stat_field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (field, number) = line.split_once(' ')?;
        (field == name).then(|| number.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str =
        "MemTotal:       24683656 kB\nMemFree:        23109544 kB\nMemAvailable:   24091828 kB\n";
    const AVAILABLE: u64 = 24_091_828 * 1024;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        root
    }

    fn available(files: &[(&str, &str)]) -> Option<u64> {
        available_below(machine(files).path())
    }

    #[test]
    fn the_kernels_estimate_is_read() {
        assert_eq!(meminfo_available(MEMINFO), Some(AVAILABLE));
        assert_eq!(meminfo_available("MemTotal: 1 kB\n"), None);
        assert_eq!(meminfo_available("MemAvailable: much\n"), None);
        assert_eq!(available(&[("proc/meminfo", MEMINFO)]), Some(AVAILABLE));
        assert_eq!(available(&[]), None);
    }

    #[test]
    fn every_group_above_counts() {
        let files = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a.slice/b.service\n"),
            ("sys/fs/cgroup/a.slice/memory.max", "4000000000\n"),
            ("sys/fs/cgroup/a.slice/memory.current", "3000000000\n"),
            (
                "sys/fs/cgroup/a.slice/memory.stat",
                "anon 1\nfile 900\ninactive_file 500000000\nactive_file 7\n",
            ),
            ("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n"),
            ("sys/fs/cgroup/a.slice/b.service/memory.current", "5\n"),
        ];
        assert_eq!(available(&files), Some(1_500_000_000));
        let mut inner = files.to_vec();
        inner.push(("sys/fs/cgroup/a.slice/b.service/memory.high", "1005\n"));
        assert_eq!(available(&inner), Some(1000));
        let full = [&files[..], &[("sys/fs/cgroup/a.slice/memory.max", "7\n")]].concat();
        assert_eq!(available(&full), Some(0));
    }

    #[test]
    fn a_container_sees_its_own_limit_at_the_mount() {
        let files = [
            ("proc/meminfo", MEMINFO),
            ("sys/fs/cgroup/memory.max", "2000\n"),
            ("sys/fs/cgroup/memory.current", "500\n"),
        ];
        for groups in ["0::/\n", "0::/../../x.scope\n", "0::/docker/abc\n"] {
            let all = [&files[..], &[("proc/self/cgroup", groups)]].concat();
            assert_eq!(available(&all), Some(1500), "{groups}");
        }
    }

    #[test]
    fn version_1_is_read_too() {
        let files = [
            ("proc/meminfo", MEMINFO),
            (
                "proc/self/cgroup",
                "9:name=systemd:/\n4:cpu,memory:/box/one:two\n0::/\n",
            ),
            (
                "sys/fs/cgroup/memory/box/one:two/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            (
                "sys/fs/cgroup/memory/box/one:two/memory.usage_in_bytes",
                "9\n",
            ),
            ("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "3000\n"),
            ("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "2500\n"),
            (
                "sys/fs/cgroup/memory/box/memory.stat",
                "inactive_file 1\ntotal_inactive_file 100\n",
            ),
        ];
        assert_eq!(available(&files), Some(600));
    }
}
