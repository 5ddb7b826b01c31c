//! Processes of this machine, as Linux's `/proc` tells of them.

use std::fs;

/// When a process began, in ticks of the clock since the machine was started (proc(5), field 22 of `stat`): with its number it
/// names a process for good, whereas numbers are given again. `None`: there is none, it has ended and waits for its parent to
/// notice, or this system has no `/proc`.
pub(crate) fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in brackets, and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    // Field 3 was the state.
    let began = fields.nth(22 - 4)?.parse().ok()?;
    (!matches!(state, "Z" | "X" | "x")).then_some(began)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_has_ended_is_told_from_one_that_has_not() {
        let own = began(std::process::id()).expect("this one");
        assert_eq!(began(std::process::id()), Some(own));
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("started");
        assert!(began(child.id()).is_some_and(|began| began >= own));
        child.kill().expect("killed");
        // The pipe is closed and the process a zombie before its end is asked for, or gone.
        while began(child.id()).is_some() {
            std::thread::yield_now();
        }
        child.wait().expect("ended");
        assert_eq!(began(child.id()), None);
    }
}
