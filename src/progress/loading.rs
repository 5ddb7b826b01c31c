//! The bar of a data file that is being read.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};

use super::ProgressMode;
use crate::data::Watch;
use crate::locks::lock;

/// Files that take no time to read get no bar; bytes.
const LARGE: u64 = 16 << 20;

/// Shows a bar while a large file is read, where `mode` allows it and stderr is a terminal.
pub fn loading(mode: ProgressMode) -> Box<Watch> {
    if mode != ProgressMode::Auto || !std::io::stderr().is_terminal() {
        return Box::new(|_, _, _| {});
    }
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Box::new(move |path: &Path, done: u64, total: u64| {
        if total < LARGE {
            return;
        }
        let mut shown = lock(&bar);
        let bar = shown.get_or_insert_with(|| new_bar(path, total));
        // Threads read pieces of a file and may report them out of order.
        bar.set_position(done.max(bar.position()));
        if done == total {
            bar.finish_and_clear();
            *shown = None;
        }
    })
}

fn new_bar(path: &Path, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("reading {msg}  {bar:20}  {bytes}/{total_bytes}  {eta} left");
    // The template is a constant; should it be wrong, the default one shows as much.
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━┄");
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ProgressBar::new(total).with_style(style).with_message(name)
}
