//! The memory of this machine, promised to trials before they take it: one that asks for more than there is fails by itself, rather
//! than to have the system end this process and all the trials in it.

use std::sync::{Condvar, Mutex};

use crate::data::free_memory;
use crate::locks::{lock, wait};
use crate::quantity::bytes;

/// Bytes that trials have been promised; the process has one.
#[derive(Debug)]
pub struct Memory {
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Debug)]
struct State {
    /// Free bytes when no promise was out. What trials have taken since is counted in `promised`.
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
    /// Bytes that the trial takes.
    pub needed: f64,
    /// Bytes that this machine has free.
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
        let mut state = lock(&self.state);
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
            state = wait(&self.given_back, state);
        }
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.memory.state);
        state.promised -= self.bytes;
        self.memory.given_back.notify_all();
    }
}

/// Bytes that this process can still take. `None`: the system does not tell.
pub fn free_bytes() -> Option<f64> {
    Some(free_memory()).filter(|free| *free < u64::MAX).map(|free| free as f64)
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
