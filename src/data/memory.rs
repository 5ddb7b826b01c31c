//! How much memory there is for data.

use std::fs;
use std::path::Path;

/// Bytes that this process can still take: the least that the machine, its control group and its own limit leave it; no bound where
/// the system does not tell.
pub fn free() -> u64 {
    let left = [free_of_machine(), free_of_group(), free_of_process()].into_iter().flatten().reduce(f64::min);
    // Exact, for no machine has 2⁵³ bytes.
    left.map_or(u64::MAX, |bytes| bytes as u64)
}

/// Checks that there is room for `rows` × `columns` numbers.
///
/// # Errors
/// What they take, and what is free, as messages tell it.
pub fn room_for(rows: usize, columns: usize) -> Result<(), (String, String)> {
    let (needed, free) = ((rows as u64).saturating_mul((columns as u64).saturating_mul(8)), free());
    if needed <= free { Ok(()) } else { Err((shown(needed), shown(free))) }
}

fn free_of_machine() -> Option<f64> {
    kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// What the limits of the control groups leave, from the process's own to the outermost (version 2, else version 1).
fn free_of_group() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let left = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (root, limit, used, cached) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "),
            _ => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
        };
        let in_force = controllers.is_empty() || controllers.split(',').any(|name| name == "memory");
        Path::new(path.trim_start_matches('/'))
            .ancestors()
            .filter(move |_| in_force)
            .filter_map(move |group| {
                let text = |name: &str| fs::read_to_string(Path::new(root).join(group).join(name)).ok();
                let number = |name: &str| text(name)?.trim().parse::<f64>().ok();
                // The page cache counts as used, but is given up when memory is needed.
                let given_up = text("memory.stat").and_then(|stat| {
                    stat.lines().find_map(|line| line.strip_prefix(cached))?.trim().parse::<f64>().ok()
                });
                Some((number(limit)? - number(used)? + given_up.unwrap_or(0.0)).max(0.0))
            })
            .collect::<Vec<_>>()
    });
    left.reduce(f64::min)
}

/// What `ulimit -v` leaves.
fn free_of_process() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: f64 = limit.split_whitespace().next()?.parse().ok()?;
    let used = kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some((limit - used).max(0.0))
}

/// The value of a line like `MemAvailable:   22555928 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<f64> {
    let value: f64 = text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()?;
    Some(value * 1024.0)
}

/// Bytes as people say them: `1.5 GB`.
pub fn shown(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
    // 64 bits hold less than 19 EB, so the last unit is the largest needed.
    let unit = (bytes.max(1).ilog10() / 3) as usize;
    match unit {
        0 => format!("{bytes} bytes"),
        _ => format!("{:.1} {}", bytes as f64 / 1000f64.powi(unit as i32), UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let cases = [(0, "0 bytes"), (999, "999 bytes"), (1_500, "1.5 kB"), (u64::MAX, "18.4 EB")];
        for (bytes, expected) in cases {
            assert_eq!(shown(bytes), expected);
        }
    }

    #[test]
    fn the_systems_word_is_read() {
        let text = "MemTotal:       16 kB\nMemAvailable:    8 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(8192.0));
        assert_eq!(kilobytes(text, "SwapFree:"), None);
        assert!(free() > 0);
    }
}
