//! How much memory there is for data.

use std::fs::read_to_string;

/// Bytes that can still be taken without driving the machine, or the container this runs in, out of memory; no bound where
/// the system does not tell.
pub fn free() -> u64 {
    let machine = read_to_string("/proc/meminfo").ok().and_then(|text| kibibytes(&text, "MemAvailable:"));
    let container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .into_iter()
        .find_map(|path| read_to_string(path).ok()?.trim().parse().ok());
    machine.unwrap_or(u64::MAX).min(container.unwrap_or(u64::MAX))
}

/// A line such as `MemAvailable:   12345 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
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
        assert_eq!(kibibytes(text, "MemAvailable:"), Some(8192));
        assert_eq!(kibibytes(text, "SwapFree:"), None);
        assert!(free() > 0);
    }
}
