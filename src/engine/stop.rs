//! Signals: the first asks every run to save and stop, the second ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// A flag that SIGINT, SIGTERM and SIGHUP (a terminal or connection that closes) set. With the flag set already, they end the process with status 75.
///
/// # Errors
/// Where the handlers cannot be installed.
pub fn stop_flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    // A shell starts what runs in its background with SIGINT ignored, but who sends it means it; `nohup` means SIGHUP to be ignored.
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        // Order matters: the second signal must find the flag set before this one sets it.
        flag::register_conditional_shutdown(signal, 75, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Whether this process was started with a signal ignored. Known on Linux; elsewhere the answer is no.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// A flag that SIGUSR2 sets, and with it `stop`: batch systems send it shortly before the time of a job is up.
///
/// # Errors
/// Where the handler cannot be installed.
#[cfg(unix)]
pub fn time_up_flag(stop: &Arc<AtomicBool>) -> io::Result<Arc<AtomicBool>> {
    let time_up = Arc::new(AtomicBool::new(false));
    flag::register(signal_hook::consts::SIGUSR2, Arc::clone(&time_up))?;
    flag::register(signal_hook::consts::SIGUSR2, Arc::clone(stop))?;
    Ok(time_up)
}

/// Systems without SIGUSR2: the flag is never set.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn time_up_flag(_stop: &Arc<AtomicBool>) -> io::Result<Arc<AtomicBool>> {
    Ok(Arc::default())
}
