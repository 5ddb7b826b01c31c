//! The memory of this machine, promised to trials before they take it: one that asks for more than there is fails by itself, rather
//! than to have the system end this process and all the trials in it.

use std::fs;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::report::quantity::bytes;

/// Bytes that trials have been promised; the process has one.
#[derive(Debug)]
pub struct Memory {
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Debug)]
struct State {
    /// What was free when nobody held a promise; what the trials take since then is in `promised`.
    free: f64,
    promised: f64,
}

/// Memory promised to one trial, until it is dropped.
#[derive(Debug)]
pub struct Promise<'a> {
    memory: &'a Memory,
    bytes: f64,
}

/// More memory is asked for than the machine has left; bytes.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "needs about {} of memory, and this machine has {} free; lower `model.width`, `model.depth` or `training.batch_size`",
    bytes(*needed),
    bytes(*free)
)]
pub struct TooLittleMemory {
    pub needed: f64,
    pub free: f64,
}

impl Memory {
    pub const fn new() -> Self {
        Self { state: Mutex::new(State { free: 0.0, promised: 0.0 }), given_back: Condvar::new() }
    }

    /// Waits until `needed` bytes are not promised to others.
    ///
    /// # Errors
    /// Where there would be too few even without the others.
    pub fn promise(&self, needed: f64) -> Result<Promise<'_>, TooLittleMemory> {
        self.promise_of(needed, free_bytes)
    }

    fn promise_of(&self, needed: f64, free: impl Fn() -> Option<f64>) -> Result<Promise<'_>, TooLittleMemory> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.promised <= 0.0 {
                *state = State { free: free().unwrap_or(f64::INFINITY), promised: 0.0 };
            }
            if needed > state.free {
                return Err(TooLittleMemory { needed, free: state.free });
            }
            if state.promised + needed <= state.free {
                state.promised += needed;
                return Ok(Promise { memory: self, bytes: needed });
            }
            state = self.given_back.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.promised -= self.bytes;
        self.memory.given_back.notify_all();
    }
}

/// Bytes that this process can still take: the least that the machine, its control group and its own limit leave it. `None`: the
/// system does not tell.
pub fn free_bytes() -> Option<f64> {
    [free_of_machine(), free_of_group(), free_of_process()].into_iter().flatten().reduce(f64::min)
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
                // Files that were read count as used, but are given up for whoever asks.
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

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: fn() -> Option<f64> = || Some(10e9);

    #[test]
    fn more_than_the_machine_has_is_refused_with_both_numbers() {
        let memory = Memory::new();
        let text = memory.promise_of(68e9, FREE).expect_err("too much").to_string();
        assert!(text.contains("needs about 68.0 GB") && text.contains("has 10.0 GB free"), "{text}");
        assert!(memory.promise_of(68e9, || None).is_ok(), "a system that does not tell is no reason to refuse");
    }

    #[test]
    fn who_finds_the_rest_promised_waits_for_it() {
        let memory = Memory::new();
        let first = memory.promise_of(6e9, FREE).expect("promised");
        drop(memory.promise_of(4e9, FREE).expect("beside the first"));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| drop(memory.promise_of(9e9, FREE).expect("after the first")));
            drop(first);
            second.join().expect("promised in the end");
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_some_memory_left() {
        assert!(free_bytes().is_some_and(|free| free > 1e6 && free < 1e15), "{:?}", free_bytes());
    }
}
