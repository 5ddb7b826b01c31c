//! What the user reads: results on stdout, everything else on stderr.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::path::Path;

use super::Failure;
use crate::data::printable;

/// Prints a result and the end of its line.
pub(super) fn print(text: impl Display) -> Result<(), Failure> {
    match writeln!(stdout(), "{}", printable(&text.to_string())) {
        // A reader that has seen enough, as in `runner list | head`, is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tells something that is no result. Nobody left to listen is no failure.
pub(super) fn tell(text: impl Display) {
    let _ = writeln!(stderr(), "{}", printable(&text.to_string()));
}

/// `path` as one word of the shell, in quotes where it needs them.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
