//! The rooms of `runner` from a spec to its plan, and what must hold of them for any input.
//!
//! They know nothing of training, so they are compiled here on their own: in seconds, with sanitizers, where the whole
//! crate with its tensors and tables would take many minutes.
#![allow(dead_code, unused_imports)]

#[path = "../../src/spec/tests/judge.rs"]
mod judge;
#[path = "../../src/plan/mod.rs"]
mod plan;
#[path = "../../src/random.rs"]
mod random;
#[path = "../../src/spec/mod.rs"]
mod spec;
#[path = "../../src/toys/mod.rs"]
mod toys;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use judge::judge;

/// Longer sweeps are not expanded: each trial takes its time, which would say nothing of hangs.
const MOST_RUNS: usize = 64;

/// A folder of this process with the spec `moons.toml`, a base for it, and a data file.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("runner-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("base.toml"), "[model]\ndepth = 3\n[training]\nepochs = 2\n").expect("a base");
    fs::write(folder.join("data.csv"), "a,b\n1,2\n").expect("data");
    folder
});

/// Reads a file of these bytes as a spec.
pub fn spec(bytes: &[u8]) {
    let path = FOLDER.join("moons.toml");
    fs::write(&path, bytes).expect("a spec");
    judge(&path, &[], MOST_RUNS);
}

/// Reads the lines of a text as `--set` on top of a spec with a sweep.
pub fn overrides(text: &str) {
    let path = FOLDER.join("moons.toml");
    let spec = "[dataset]\nname = \"moons\"\n[optimizer]\nschedule = \"step\"\n[sweep.parameters]\n\
                \"optimizer.learning_rate\" = [1e-3, 1e-2]\n";
    fs::write(&path, spec).expect("a spec");
    let texts: Vec<_> = text.lines().collect();
    judge(&path, &texts, MOST_RUNS);
}
