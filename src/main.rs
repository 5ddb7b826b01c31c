//! `runner`: see the library for everything; this file turns a command line into an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    realnvp_runner::cli::main()
}
