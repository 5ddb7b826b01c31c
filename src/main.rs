//! `runner`: see the library for everything; this file turns a command line into an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    prepare_cuda();
    realnvp_runner::cli::main()
}

/// Lets many trials share a GPU: the driver starts with queues for 8 streams, and more streams wait for each other. It reads this
/// when it starts.
fn prepare_cuda() {
    const QUEUES: &str = "CUDA_DEVICE_MAX_CONNECTIONS";
    if cfg!(feature = "cuda") && std::env::var_os(QUEUES).is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var(QUEUES, "32") };
    }
}
